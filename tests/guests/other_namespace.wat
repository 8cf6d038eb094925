;; Plans a pod in the namespace of the cluster itself.
(data (i32.const 1024) "create-pod\00")
(data (i32.const 1280)
  "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"x\",\"namespace\":\"kube-system\"},\"spec\":{\"containers\":[{\"name\":\"x\",\"image\":\"x\"}]}}\00")
(func $plan (type $make_plan) (call $answer (i32.const 1024) (i32.const 1280)))
