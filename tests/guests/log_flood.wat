;; Writes 1 MiB of log in 1024 lines, says why it would fail, and then answers all the same.
(import "trocar:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))
(func $plan (type $make_plan)
  (local $left i32)
  (memory.fill (i32.const 1024) (i32.const 120) (i32.const 1023))
  (local.set $left (i32.const 1024))
  (loop $again
    (call $log (i32.const 2) (i32.const 1024) (i32.const 1023))
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (br_if $again (local.get $left)))
  (call $good_plan))
