;; Sleeps for thirty years before it answers.
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $alarm (param $nanoseconds i64) (result i32)))
(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $wait (param $alarm i32)))
(func $plan (type $make_plan)
  (call $wait (call $alarm (i64.const 1000000000000000000)))
  (call $good_plan))
