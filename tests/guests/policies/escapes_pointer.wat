;; Adds a field whose name would clear the screen.
(data (i32.const 1024) "/steps/0/object/\1b[2J\00")
(data (i32.const 1280) "1\00")
(func $judge (type $evaluate) (call $amend (i32.const 0) (i32.const 1024) (i32.const 1280)))
