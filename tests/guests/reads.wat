;; Reads the object of version v1 and name "web-0" whose kind its settings name, as a JSON text, or the part of it
;; that stands at /metadata when the kind has an asterisk at its end. Logs what it gets: the object as info, and as
;; warnings the number of the error and its text.
(import "trocar:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))
(import "trocar:plugin/cluster@0.1.0" "get"
  (func $get (param $version i32) (param $version_length i32) (param $kind i32) (param $kind_length i32)
    (param $in_namespace i32) (param $namespace i32) (param $namespace_length i32)
    (param $name i32) (param $name_length i32) (param $fields i32) (param $fields_length i32) (param $answer i32)))
(data (i32.const 1024) "v1")
(data (i32.const 1040) "shop")
(data (i32.const 1056) "web-0")
(data (i32.const 1072) "/metadata")
;; A list of one text: the pointer above.
(data (i32.const 1088) "\30\04\00\00\09\00\00\00")
(data (i32.const 1104) "0")
(func $plan (param i32 i32 i32 i32) (param $settings i32) (param $length i32) (param i32 i32) (result i32)
  (local $fields i32)
  ;; Without the quotes.
  (local.set $settings (i32.add (local.get $settings) (i32.const 1)))
  (local.set $length (i32.sub (local.get $length) (i32.const 2)))
  (if (i32.eq (i32.load8_u (i32.add (local.get $settings) (i32.sub (local.get $length) (i32.const 1)))) (i32.const 42))
    (then
      (local.set $length (i32.sub (local.get $length) (i32.const 1)))
      (local.set $fields (i32.const 1))))
  (call $get
    (i32.const 1024) (i32.const 2) (local.get $settings) (local.get $length)
    (i32.const 1) (i32.const 1040) (i32.const 4)
    (i32.const 1056) (i32.const 5)
    (i32.const 1088) (local.get $fields)
    (i32.const 2048))
  (if (i32.eqz (i32.load8_u (i32.const 2048)))
    (then (call $log (i32.const 2) (i32.load (i32.const 2056)) (i32.load (i32.const 2060))))
    (else
      (i32.store8 (i32.const 1104) (i32.add (i32.const 48) (i32.load8_u (i32.const 2056))))
      (call $log (i32.const 3) (i32.const 1104) (i32.const 1))
      ;; The cases with a text are the first, the third and the fourth.
      (if (i32.and (i32.shr_u (i32.const 0x0d) (i32.load8_u (i32.const 2056))) (i32.const 1))
        (then (call $log (i32.const 3) (i32.load (i32.const 2064)) (i32.load (i32.const 2068)))))))
  (call $good_plan))
