;; Denies with a message of a mebibyte that would clear the screen again and again.
(memory $memory (export "memory") 18)
(data (i32.const 1024) "loud\1b[1m\00")
(func $judge (type $evaluate)
  (memory.fill (i32.const 65536) (i32.const 27) (i32.const 1048576))
  (call $say (i32.const 1024) (i32.const 65536) (i32.const 1048576))
  (call $decide (i32.const 2)))
