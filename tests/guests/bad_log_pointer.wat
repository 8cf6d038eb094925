;; Hands the log a text that is outside of its memory.
(import "trocar:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))
(func $plan (type $make_plan)
  (call $log (i32.const 2) (i32.const -100) (i32.const 200))
  (call $good_plan))
