;; Harmless: has two memories in one module, and copies what it answers from one into the other.

;; The first memory is the one that the other parts mean.
(memory $memory (export "memory") 2)

(memory $second 1)

(data $object (memory $second) (i32.const 0) "{\"name\":\"guest\",\"image\":\"second\"}\00")

(func $plan (type $make_plan)
  (memory.copy $memory $second (i32.const 512) (i32.const 0) (i32.const 64))
  (call $good_plan))
