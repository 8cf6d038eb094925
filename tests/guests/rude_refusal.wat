;; Refuses, with words that would rewrite the terminal of whoever reads them.
(data (i32.const 1024) "rude\1b[2J\00")
(data (i32.const 1280) "no \1b[31mred\1b[0m words,\r\nno \u{202e}sdrawkcab\00")
(func $plan (type $make_plan) (call $fail (i32.const 1) (i32.const 1024) (i32.const 1280)))
