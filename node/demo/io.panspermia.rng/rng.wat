;; xorshift64*: 64 bits of state, period 2^64 - 1, the same numbers on every machine.
;; Source: Vigna 2016, "An experimental exploration of Marsaglia's xorshift generators, scrambled".
(module
  (global $state (mut i64) (i64.const 0x9e3779b97f4a7c15))

  ;; Zero is the one state that never changes: it becomes the golden ratio instead.
  (func (export "seed") (param $seed i64)
    (global.set $state
      (select (i64.const 0x9e3779b97f4a7c15) (local.get $seed) (i64.eqz (local.get $seed)))))

  (func $next (export "next") (result i64)
    (local $x i64)
    (local.set $x (global.get $state))
    (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 12))))
    (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 25))))
    (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 27))))
    (global.set $state (local.get $x))
    (i64.mul (local.get $x) (i64.const 0x2545f4914f6cdd1d)))

  ;; A number from 0 to $bound - 1: the upper 32 bits, scaled (the lower ones are the weaker).
  (func (export "below") (param $bound i32) (result i32)
    (i32.wrap_i64
      (i64.shr_u
        (i64.mul (i64.shr_u (call $next) (i64.const 32)) (i64.extend_i32_u (local.get $bound)))
        (i64.const 32))))

  ;; The first number after $seed, for a look from the command line.
  (func (export "first") (param $seed i64) (result i64)
    (global.set $state
      (select (i64.const 0x9e3779b97f4a7c15) (local.get $seed) (i64.eqz (local.get $seed))))
    (call $next)))
