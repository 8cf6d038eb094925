;; Has 64 memories of one page each, which is more than any component needs.
(component
  (component $four
    (core module $memory (memory (export "memory") 1))
    (core instance (instantiate $memory))
    (core instance (instantiate $memory))
    (core instance (instantiate $memory))
    (core instance (instantiate $memory)))
  (component $sixteen
    (alias outer 1 $four (component $four))
    (instance (instantiate $four))
    (instance (instantiate $four))
    (instance (instantiate $four))
    (instance (instantiate $four)))
  (instance (instantiate $sixteen))
  (instance (instantiate $sixteen))
  (instance (instantiate $sixteen))
  (instance (instantiate $sixteen))
  (instance $strategy)
  (export "trocar:plugin/strategy@0.1.0" (instance $strategy)))
