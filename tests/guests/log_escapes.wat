;; Writes what a terminal would obey: colours, a title, a cursor movement, a bell, text that runs backwards.
(import "trocar:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))
(data (i32.const 1024) "\1b[31mred \1b]0;title\07 \1b[2J \u{9b}1A over\rwritten \u{202e}backwards\u{2066}\08\00")
(func $plan (type $make_plan)
  (call $log (i32.const 3) (i32.const 1024) (call $length (i32.const 1024)))
  (call $good_plan))
