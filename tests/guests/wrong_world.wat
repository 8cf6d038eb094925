;; A component of some other world: it exports nothing that trocar knows.
(component
  (instance $handler)
  (export "example:shop/orders@1.0.0" (instance $handler)))
