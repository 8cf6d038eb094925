;; Plans to delete the target and nothing else.
(data (i32.const 1024) "delete-pod\00")
(data (i32.const 1280) "{\"name\":\"web-0\"}\00")
(func $plan (type $make_plan) (call $answer (i32.const 1024) (i32.const 1280)))
