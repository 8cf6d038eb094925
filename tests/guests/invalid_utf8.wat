;; Answers a text that is not UTF-8.
(data (i32.const 1024) "{\"name\":\"\ff\fe\"}\00")
(func $plan (type $make_plan) (call $answer (i32.const 256) (i32.const 1024)))
