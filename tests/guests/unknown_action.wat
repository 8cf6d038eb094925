;; Proposes a step that no host knows.
(data (i32.const 1024) "delete-namespace\00")
(data (i32.const 1280) "{\"name\":\"kube-system\"}\00")
(func $plan (type $make_plan) (call $answer (i32.const 1024) (i32.const 1280)))
