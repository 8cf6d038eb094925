;; Wants another action than the strategy's.
(data (i32.const 1024) "/steps/0/action\00")
(data (i32.const 1280) "\"delete-pod\"\00")
(func $judge (type $evaluate) (call $amend (i32.const 2) (i32.const 1024) (i32.const 1280)))
