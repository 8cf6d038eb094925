;; Says on its standard error what is wrong, as a program does, and traps.
(import "wasi:cli/stderr@0.2.0" "get-stderr" (func $stderr (result i32)))
(import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush" (func $write (param $stream i32) (param $text i32) (param $length i32) (param $answer i32)))
(data (i32.const 1024) "panicked at plan.py:3:\nno \1b[31mway\n\00")
(func $plan (type $make_plan)
  (call $write (call $stderr) (i32.const 1024) (call $length (i32.const 1024)) (i32.const 2048))
  (unreachable))
