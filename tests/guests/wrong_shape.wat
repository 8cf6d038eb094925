;; Exports the strategy by its name, with functions that are none of the contract's.
(component
  (core module $code (func (export "f")))
  (core instance $code (instantiate $code))
  (func $f (canon lift (core func $code "f")))
  (instance $strategy
    (export "validate-settings" (func $f))
    (export "make-plan" (func $f)))
  (export "trocar:plugin/strategy@0.1.0" (instance $strategy)))
