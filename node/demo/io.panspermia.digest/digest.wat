;; FNV-1a (64 bits) of a piece of the Life world's memory: two runs that end alike have one number.
;; Source: RFC 9923, "The FNV Non-Cryptographic Hash Algorithm".
(module
  (import "io.panspermia.life" "memory" (memory 1))

  (func (export "fnv1a") (param $at i32) (param $size i32) (result i64)
    (local $hash i64)
    (local $end i32)
    (local.set $hash (i64.const 0xcbf29ce484222325))
    (local.set $end (i32.add (local.get $at) (local.get $size)))
    (block $done
      (loop $bytes
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $hash
          (i64.mul
            (i64.xor (local.get $hash) (i64.load8_u (local.get $at)))
            (i64.const 0x100000001b3)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $bytes)))
    (local.get $hash)))
