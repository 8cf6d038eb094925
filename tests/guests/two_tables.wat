;; Harmless: has two tables in one module, as some toolchains make them.
(table $first 10 funcref)
(table $second 10 funcref)
(func $plan (type $make_plan)
  (drop (table.grow $second (ref.null func) (i32.const 10)))
  (call $good_plan))
