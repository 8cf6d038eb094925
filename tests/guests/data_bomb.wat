;; Answers an object of 20 MiB, which is more than the host copies.
(memory $memory (export "memory") 322)
(func $plan (type $make_plan)
  (drop (call $good_plan))
  (i32.store (i32.const 72) (i32.const 65536))
  (i32.store (i32.const 76) (i32.const 20971520))
  (i32.const 0))
