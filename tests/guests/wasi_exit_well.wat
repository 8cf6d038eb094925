;; Ends with success, and without an answer.
(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param $failed i32)))
(func $plan (type $make_plan)
  (call $exit (i32.const 0))
  (unreachable))
