;; Never answers, and neither loops nor needs a stack: it calls itself as the last thing it does.
(func $plan (type $make_plan)
  (return_call $plan
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
