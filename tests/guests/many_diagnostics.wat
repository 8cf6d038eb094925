;; Answers a good plan with twenty thousand diagnostics, all of them empty errors.
(memory $memory (export "memory") 16)
(func $plan (type $make_plan)
  (drop (call $good_plan))
  (i32.store (i32.const 24) (i32.const 131072))
  (i32.store (i32.const 28) (i32.const 20000))
  (i32.const 0))
