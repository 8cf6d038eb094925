;; Has half of a JSON text for a value.
(data (i32.const 1024) "/steps/0/object/securityContext\00")
(data (i32.const 1280) "{\"privileged\":\00")
(func $judge (type $evaluate) (call $amend (i32.const 0) (i32.const 1024) (i32.const 1280)))
