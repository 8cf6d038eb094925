;; Says itself that it cannot judge.
(data (i32.const 1024) "no-idea\00")
(data (i32.const 1280) "the list of the wise is not to be had\00")
(func $judge (type $evaluate) (call $fail (i32.const 3) (i32.const 1024) (i32.const 1280)))
