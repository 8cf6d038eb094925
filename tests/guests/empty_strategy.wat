;; Exports the strategy by its name, with nothing in it.
(component
  (instance $strategy)
  (export "trocar:plugin/strategy@0.1.0" (instance $strategy)))
