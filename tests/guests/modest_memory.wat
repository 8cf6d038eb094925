;; Asks ten thousand times for a page more than its own memory may ever have, is told no, and plans all the same.
(memory $memory (export "memory") 2 3)
(func $plan (type $make_plan)
  (local $left i32)
  (local.set $left (i32.const 10000))
  (loop $again
    (if (i32.ne (memory.grow (i32.const 2)) (i32.const -1)) (then (unreachable)))
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (br_if $again (local.get $left)))
  (call $good_plan))
