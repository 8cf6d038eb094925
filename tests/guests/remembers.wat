;; Counts its calls, and plans a container with that number in its name.
(global $calls (mut i32) (i32.const 0))
(data $container (i32.const 512) "{\"name\":\"guest-0\",\"image\":\"busybox\"}\00")
(func $plan (type $make_plan)
  (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
  (i32.store8 (i32.const 527) (i32.add (i32.const 48) (global.get $calls)))
  (call $good_plan))
