;; Removes what is not there.
(data (i32.const 1024) "/steps/0/object/livenessProbe\00")
(func $judge (type $evaluate) (call $amend (i32.const 1) (i32.const 1024) (i32.const 0)))
