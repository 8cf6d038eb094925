;; Answers an object of 5 MiB.
(memory $memory (export "memory") 82)
(func $plan (type $make_plan)
  (drop (call $good_plan))
  (memory.fill (i32.const 65536) (i32.const 32) (i32.const 5242880))
  (i32.store (i32.const 72) (i32.const 65536))
  (i32.store (i32.const 76) (i32.const 5242880))
  (i32.const 0))
