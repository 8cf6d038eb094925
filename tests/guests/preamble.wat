;; What every guest of this folder has, unless it defines a part of the same name itself: memory, an allocator, a plan
;; that nobody objects to, and the exports of the world `strategy-plugin`. The parts are separated by empty lines.
;;
;; The first page of the memory holds texts and answers, what follows is given to the host. Below 1024 the page is the
;; preamble's own. Texts end with a zero byte.

(type $make_plan (func (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))

(type $validate_settings (func (param i32 i32) (result i32)))

(memory $memory (export "memory") 2)

;; Where the next block for the host starts.
(global $free (mut i32) (i32.const 65536))

;; Gives out memory and never takes it back, since an instance lives for one call.
(func $realloc (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32)
  (result i32)
  (local $block i32)
  (local.set $block (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
  (global.set $free (i32.add (local.get $block) (local.get $size)))
  (block $enough
    (loop $more
      (br_if $enough (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
      (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    (unreachable))
  (local.get $block))

;; The length of a text.
(func $length (param $text i32) (result i32)
  (local $end i32)
  (local.set $end (local.get $text))
  (block $found
    (loop $next
      (br_if $found (i32.eqz (i32.load8_u (local.get $end))))
      (local.set $end (i32.add (local.get $end) (i32.const 1)))
      (br $next)))
  (i32.sub (local.get $end) (local.get $text)))

;; Writes pointer and length of a text to a place of an answer.
(func $put (param $place i32) (param $text i32)
  (i32.store (local.get $place) (local.get $text))
  (i32.store offset=4 (local.get $place) (call $length (local.get $text))))

;; Answers a plan of one step, without anything to attach to. The answer is at 0, the step at 64:
;; 0 ok or failure, 4 and 8 the steps, 12 to 20 what to attach to, 24 and 28 the diagnostics.
(func $answer (param $action i32) (param $object i32) (result i32)
  (i32.store (i32.const 4) (i32.const 64))
  (i32.store (i32.const 8) (i32.const 1))
  (call $put (i32.const 64) (local.get $action))
  (call $put (i32.const 72) (local.get $object))
  (i32.const 0))

;; Answers a failure. 4 its kind, 8 its code, 16 its message, 24 and 28 the diagnostics.
(func $fail (param $kind i32) (param $code i32) (param $message i32) (result i32)
  (i32.store8 (i32.const 0) (i32.const 1))
  (i32.store8 (i32.const 4) (local.get $kind))
  (call $put (i32.const 8) (local.get $code))
  (call $put (i32.const 16) (local.get $message))
  (i32.const 0))

(data $action (i32.const 256) "add-ephemeral-container\00")

(data $container (i32.const 512) "{\"name\":\"guest\",\"image\":\"busybox\"}\00")

;; Answers a plan that nobody objects to.
(func $good_plan (result i32) (call $answer (i32.const 256) (i32.const 512)))

(func $plan (type $make_plan) (call $good_plan))

(export "trocar:plugin/strategy@0.1.0#make-plan" (func $plan))

;; Answers that the settings are fine.
(func $settings (type $validate_settings) (i32.const 0))

(export "trocar:plugin/strategy@0.1.0#validate-settings" (func $settings))
