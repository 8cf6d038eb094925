;; Plans a container with the name of one that the pod has, which would change that one.
(data (i32.const 1024) "{\"name\":\"app\",\"image\":\"busybox\"}\00")
(func $plan (type $make_plan) (call $answer (i32.const 256) (i32.const 1024)))
