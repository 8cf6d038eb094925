;; Wants something that no host offers.
(component
  (import "example:net/sockets@1.0.0" (instance (export "connect" (func))))
  (instance $strategy)
  (export "trocar:plugin/strategy@0.1.0" (instance $strategy)))
