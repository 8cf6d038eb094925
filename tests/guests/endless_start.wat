;; Never even starts: the loop is in the start function, so it runs while the component is instantiated.
(func $start (loop $again (br $again)))
(start $start)
