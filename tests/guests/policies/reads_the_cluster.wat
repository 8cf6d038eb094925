;; Would read the cluster.
(import "trocar:plugin/cluster@0.1.0" "get"
  (func $get (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(func $judge (type $evaluate)
  (call $get (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
  (call $decide (i32.const 0)))
