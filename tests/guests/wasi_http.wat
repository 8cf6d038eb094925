;; Wants to speak HTTP, which is no part of what the second tier gets.
(component
  (import "wasi:http/outgoing-handler@0.2.0" (instance (export "handle" (func))))
  (instance $strategy)
  (export "trocar:plugin/strategy@0.1.0" (instance $strategy)))
