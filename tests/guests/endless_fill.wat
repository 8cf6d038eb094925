;; Spends its time in single instructions that take long: it fills 60 MiB at once, again and again.
(memory $memory (export "memory") 962)
(func $plan (type $make_plan)
  (loop $again
    (memory.fill (i32.const 65536) (i32.const 7) (i32.const 62914560))
    (br $again))
  (unreachable))
