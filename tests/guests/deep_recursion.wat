;; Calls itself until there is no stack left.
(func $deeper (param i32) (result i32)
  (i32.add (local.get 0) (call $deeper (i32.add (local.get 0) (i32.const 1)))))
(func $plan (type $make_plan) (call $deeper (i32.const 0)))
