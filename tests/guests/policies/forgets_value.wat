;; Replaces something with nothing.
(data (i32.const 1024) "/steps/0/object/image\00")
(func $judge (type $evaluate) (call $amend (i32.const 2) (i32.const 1024) (i32.const 0)))
