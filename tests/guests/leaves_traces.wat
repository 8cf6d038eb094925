;; Takes a MiB, traps if there is anything in it, and leaves it full. Does so twice when its settings are the text twice.
(memory $memory (export "memory") 18)
(func $plan (param i32 i32 i32 i32) (param $settings i32) (param i32 i32 i32) (result i32)
  (call $look_and_fill)
  (if (i32.eq (i32.load (local.get $settings)) (i32.const 0x63697774))
    (then (call $look_and_fill)))
  (call $good_plan))
(func $look_and_fill
  (local $next i32)
  (local.set $next (i32.const 131072))
  (loop $again
    (if (i64.ne (i64.load (local.get $next)) (i64.const 0)) (then (unreachable)))
    (local.set $next (i32.add (local.get $next) (i32.const 8)))
    (br_if $again (i32.lt_u (local.get $next) (i32.const 1179648))))
  (memory.fill (i32.const 131072) (i32.const 7) (i32.const 1048576)))
