;; Sets a value that would turn the text around behind it, and one in the other set of control characters.
(data (i32.const 1024) "/steps/0/object/workingDir\00")
(data (i32.const 1280) "\"\u{202e}\u{9b}2J\"\00")
(func $judge (type $evaluate) (call $amend (i32.const 0) (i32.const 1024) (i32.const 1280)))
