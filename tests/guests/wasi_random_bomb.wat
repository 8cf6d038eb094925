;; Asks the host for a tebibyte of random bytes.
(import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param $size i64) (param $answer i32)))
(func $plan (type $make_plan)
  (call $random (i64.const 1099511627776) (i32.const 2048))
  (call $good_plan))
