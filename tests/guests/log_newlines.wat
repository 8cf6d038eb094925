;; Makes the host work for each byte: 15 MiB of empty lines in one call, for ever.
(import "trocar:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))
(memory $memory (export "memory") 242)
(func $plan (type $make_plan)
  (memory.fill (i32.const 65536) (i32.const 10) (i32.const 15728640))
  (loop $again
    (call $log (i32.const 2) (i32.const 65536) (i32.const 15728640))
    (br $again))
  (unreachable))
