;; Seed a soup, let it live, count: everything it does, it does with the modules it imports.
(module
  (import "io.panspermia.rng" "seed" (func $seed (param i64)))
  (import "io.panspermia.rng" "below" (func $below (param i32) (result i32)))
  (import "io.panspermia.life" "clear" (func $clear))
  (import "io.panspermia.life" "set" (func $set (param i32 i32 i32)))
  (import "io.panspermia.life" "step" (func $step))
  (import "io.panspermia.life" "population" (func $population (result i32)))
  (import "io.panspermia.digest" "fnv1a" (func $fnv1a (param i32 i32) (result i64)))

  ;; Each cell lives with a chance of 37 in 100: near it, soups stay lively longest.
  (func $soup (param $seed i64)
    (local $cell i32)
    (call $seed (local.get $seed))
    (call $clear)
    (loop $cells
      (call $set
        (i32.and (local.get $cell) (i32.const 63))
        (i32.shr_u (local.get $cell) (i32.const 6))
        (i32.lt_u (call $below (i32.const 100)) (i32.const 37)))
      (local.set $cell (i32.add (local.get $cell) (i32.const 1)))
      (br_if $cells (i32.lt_u (local.get $cell) (i32.const 4096)))))

  ;; How many live after $generations.
  (func $census (export "census") (param $seed i64) (param $generations i32) (result i32)
    (call $soup (local.get $seed))
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $generations)))
        (call $step)
        (local.set $generations (i32.sub (local.get $generations) (i32.const 1)))
        (br $more)))
    (call $population))

  ;; The number of the world that is left: equal numbers, equal worlds.
  (func (export "fingerprint") (param $seed i64) (param $generations i32) (result i64)
    (drop (call $census (local.get $seed) (local.get $generations)))
    (call $fnv1a (i32.const 0) (i32.const 4096)))

  ;; The generation with the fewest living cells in $generations, and how many they are.
  (func (export "bottleneck") (param $seed i64) (param $generations i32) (result i32 i32)
    (local $generation i32) (local $living i32) (local $fewest i32) (local $when i32)
    (call $soup (local.get $seed))
    (local.set $fewest (call $population))
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $generation) (local.get $generations)))
        (call $step)
        (local.set $generation (i32.add (local.get $generation) (i32.const 1)))
        (local.set $living (call $population))
        (if (i32.lt_u (local.get $living) (local.get $fewest))
          (then
            (local.set $fewest (local.get $living))
            (local.set $when (local.get $generation))))
        (br $more)))
    (local.get $when)
    (local.get $fewest)))
