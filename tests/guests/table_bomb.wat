;; Takes a thousand table elements after the other.
(table $table 1 funcref)
(func $plan (type $make_plan)
  (loop $again
    (drop (table.grow $table (ref.null func) (i32.const 1000)))
    (br $again))
  (unreachable))
