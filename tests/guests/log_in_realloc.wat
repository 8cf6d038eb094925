;; Calls back into the host while the host writes the request.
(import "trocar:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))
(func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (call $log (i32.const 2) (i32.const 256) (i32.const 5))
  (i32.const 65536))
