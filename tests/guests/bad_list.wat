;; Answers a list with more steps than there are addresses.
(func $plan (type $make_plan)
  (drop (call $good_plan))
  (i32.store (i32.const 8) (i32.const -1))
  (i32.const 0))
