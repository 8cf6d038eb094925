;; Has its manifest in a component inside, where it says nothing about the component around it.
(component
  (component (@custom "trocar:manifest" "{}"))
  (instance $strategy)
  (export "trocar:plugin/strategy@0.1.0" (instance $strategy)))
