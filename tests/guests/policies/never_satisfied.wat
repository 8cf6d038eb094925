;; Adds a further word to the command each time.
(data (i32.const 1024) "/steps/0/object/command/-\00")
(data (i32.const 1280) "\"more\"\00")
(func $judge (type $evaluate) (call $amend (i32.const 0) (i32.const 1024) (i32.const 1280)))
