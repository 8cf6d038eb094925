;; Proposes a step with a name of 3 MiB that would also clear the screen.
(memory $memory (export "memory") 82)
(func $plan (type $make_plan)
  (memory.fill (i32.const 65536) (i32.const 27) (i32.const 3145728))
  (call $answer (i32.const 65536) (i32.const 512)))
