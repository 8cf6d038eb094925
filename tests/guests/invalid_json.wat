;; Answers an object that is no JSON.
(data (i32.const 1024) "{name: guest}\00")
(func $plan (type $make_plan) (call $answer (i32.const 256) (i32.const 1024)))
