;; Wants the image to be `two.example/x`.
(data (i32.const 1024) "/steps/0/object/image\00")
(data (i32.const 1280) "\"two.example/x\"\00")
(func $judge (type $evaluate)
  (if (result i32) (call $holds (local.get 0) (local.get 1) (i32.const 1280))
    (then (call $decide (i32.const 0)))
    (else (call $amend (i32.const 2) (i32.const 1024) (i32.const 1280)))))
