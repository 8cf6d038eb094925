;; What every policy of this folder has besides what strategies have (../preamble.wat), unless it defines a part of the same
;; name itself: answers, and the exports of the world `policy-plugin`. The parts are separated by empty lines.

;; What a policy is given: 0 and 1 the plan, 2 and 3 the target, 4 and 5 the options, 6 and 7 the actor, 8 and 9 the settings,
;; 10 and 11 the context.
(type $evaluate (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))

;; Answers a decision without a word. The answer is at 0: 0 ok or failure, 4 the verdict (0 allow, 1 amend, 2 deny), 8 and 12
;; the changes, 16 and 20 the diagnostics.
(func $decide (param $verdict i32) (result i32)
  (i32.store8 (i32.const 4) (local.get $verdict))
  (i32.const 0))

;; Answers one change, which is at 64: 0 the operation (0 add, 1 remove, 2 replace), 4 and 8 where, 12 whether there is a
;; value, 16 and 20 the value; none where its text is at 0.
(func $amend (param $operation i32) (param $at i32) (param $value i32) (result i32)
  (i32.store8 (i32.const 64) (local.get $operation))
  (call $put (i32.const 68) (local.get $at))
  (if (local.get $value)
    (then
      (i32.store8 (i32.const 76) (i32.const 1))
      (call $put (i32.const 80) (local.get $value))))
  (i32.store (i32.const 8) (i32.const 64))
  (i32.store (i32.const 12) (i32.const 1))
  (call $decide (i32.const 1)))

;; Adds a diagnostic to the answer, an error. They are at 640: 0 the severity, 4 and 8 the code, 12 whether there is a place,
;; 24 and 28 the message, 32 whether there is help.
(func $say (param $code i32) (param $message i32) (param $length i32)
  (local $place i32)
  (i32.store (i32.const 16) (i32.const 640))
  (local.set $place (i32.add (i32.const 640) (i32.mul (i32.load (i32.const 20)) (i32.const 44))))
  (i32.store (i32.const 20) (i32.add (i32.load (i32.const 20)) (i32.const 1)))
  (call $put (i32.add (local.get $place) (i32.const 4)) (local.get $code))
  (i32.store offset=24 (local.get $place) (local.get $message))
  (i32.store offset=28 (local.get $place) (local.get $length)))

;; Says whether a text of a length holds another, which ends with a zero byte.
(func $holds (param $text i32) (param $length i32) (param $part i32) (result i32)
  (local $last i32) (local $of_part i32) (local $index i32)
  (local.set $of_part (call $length (local.get $part)))
  (local.set $last (i32.sub (i32.add (local.get $text) (local.get $length)) (local.get $of_part)))
  (loop $next
    (if (i32.gt_u (local.get $text) (local.get $last)) (then (return (i32.const 0))))
    (local.set $index (i32.const 0))
    (block $differs
      (loop $same
        (br_if $differs (i32.ne
          (i32.load8_u (i32.add (local.get $text) (local.get $index)))
          (i32.load8_u (i32.add (local.get $part) (local.get $index)))))
        (local.set $index (i32.add (local.get $index) (i32.const 1)))
        (br_if $same (i32.lt_u (local.get $index) (local.get $of_part))))
      (return (i32.const 1)))
    (local.set $text (i32.add (local.get $text) (i32.const 1)))
    (br $next))
  (unreachable))

(func $judge (type $evaluate) (call $decide (i32.const 0)))

(export "trocar:plugin/policy@0.1.0#evaluate" (func $judge))

(export "trocar:plugin/policy@0.1.0#validate-settings" (func $settings))
