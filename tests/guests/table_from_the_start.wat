;; Asks for a table of ten million elements before anything of it runs.
(table 10000000 funcref)
