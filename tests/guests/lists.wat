;; Lists the objects of version v1 whose kind its settings name, as a JSON text, in all namespaces, ten at the most.
;; Logs each object as info, and as a warning the number of the error.
(import "trocar:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))
(import "trocar:plugin/cluster@0.1.0" "list"
  (func $list (param $version i32) (param $version_length i32) (param $kind i32) (param $kind_length i32)
    (param $in_namespace i32) (param $namespace i32) (param $namespace_length i32)
    (param $by_label i32) (param $selector i32) (param $selector_length i32)
    (param $limited i32) (param $limit i32) (param $fields i32) (param $fields_length i32) (param $answer i32)))
(data (i32.const 1024) "v1")
(data (i32.const 1040) "app=web")
(data (i32.const 1104) "0")
(func $plan (param i32 i32 i32 i32) (param $settings i32) (param $length i32) (param i32 i32) (result i32)
  (local $next i32) (local $left i32)
  (call $list
    (i32.const 1024) (i32.const 2)
    (i32.add (local.get $settings) (i32.const 1)) (i32.sub (local.get $length) (i32.const 2))
    (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 1) (i32.const 1040) (i32.const 7)
    (i32.const 1) (i32.const 10)
    (i32.const 0) (i32.const 0)
    (i32.const 2048))
  (if (i32.load8_u (i32.const 2048))
    (then
      (i32.store8 (i32.const 1104) (i32.add (i32.const 48) (i32.load8_u (i32.const 2056))))
      (call $log (i32.const 3) (i32.const 1104) (i32.const 1)))
    (else
      (local.set $next (i32.load (i32.const 2056)))
      (local.set $left (i32.load (i32.const 2060)))
      (block $done
        (loop $more
          (br_if $done (i32.eqz (local.get $left)))
          (call $log (i32.const 2) (i32.load (local.get $next)) (i32.load offset=4 (local.get $next)))
          (local.set $next (i32.add (local.get $next) (i32.const 8)))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br $more)))))
  (call $good_plan))
