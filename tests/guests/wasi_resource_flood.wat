;; Takes things from the host and never gives one back.
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $alarm (param $nanoseconds i64) (result i32)))
(func $plan (type $make_plan)
  (loop $again
    (drop (call $alarm (i64.const 1)))
    (br $again))
  (unreachable))
