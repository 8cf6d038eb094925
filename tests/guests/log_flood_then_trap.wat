;; Floods the log until nothing more is kept, and only then says why it traps.
(import "trocar:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))
(memory $memory (export "memory") 18)
(data (i32.const 1024) "the disk of the guest is on fire")
(func $plan (type $make_plan)
  (memory.fill (i32.const 65536) (i32.const 120) (i32.const 1048576))
  (call $log (i32.const 2) (i32.const 65536) (i32.const 1048576))
  (call $log (i32.const 4) (i32.const 1024) (i32.const 32))
  (unreachable))
