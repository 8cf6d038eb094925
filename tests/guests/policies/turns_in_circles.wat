;; Wants the image to be `one.example/x`, and when it is, another.
(data (i32.const 1024) "/steps/0/object/image\00")
(data (i32.const 1280) "\"one.example/x\"\00")
(data (i32.const 1536) "\"two.example/x\"\00")
(func $judge (type $evaluate)
  (call $amend (i32.const 2) (i32.const 1024)
    (select (i32.const 1536) (i32.const 1280)
      (call $holds (local.get 0) (local.get 1) (i32.const 1280)))))
