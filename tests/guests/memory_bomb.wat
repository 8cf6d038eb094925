;; Takes 1 MiB after the other.
(func $plan (type $make_plan)
  (loop $again
    (drop (memory.grow (i32.const 16)))
    (br $again))
  (unreachable))
