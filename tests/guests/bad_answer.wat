;; Answers that the answer is outside of its memory.
(func $plan (type $make_plan) (i32.const -4))
