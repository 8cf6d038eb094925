;; Logs with a level that does not exist.
(import "trocar:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))
(func $plan (type $make_plan)
  (call $log (i32.const 9) (i32.const 256) (i32.const 5))
  (call $good_plan))
