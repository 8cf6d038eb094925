;; Answers, and then never lets go: the loop is in the function that the host calls to release the answer.
(func $release (export "cabi_post_trocar:plugin/strategy@0.1.0#make-plan") (param i32)
  (loop $again (br $again)))
