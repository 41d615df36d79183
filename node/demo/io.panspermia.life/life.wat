;; Conway's Life on a torus of 64 × 64 cells: one byte a cell, row by row, 0 = dead, 1 = alive.
;; Memory: 0–4095 the world, 4096–8191 the next generation while it is made.
(module
  (memory (export "memory") 1 1)

  (func $at (param $x i32) (param $y i32) (result i32)
    (i32.or
      (i32.shl (i32.and (local.get $y) (i32.const 63)) (i32.const 6))
      (i32.and (local.get $x) (i32.const 63))))

  (func (export "size") (result i32) (i32.const 64))

  (func (export "clear") (memory.fill (i32.const 0) (i32.const 0) (i32.const 4096)))

  (func (export "set") (param $x i32) (param $y i32) (param $alive i32)
    (i32.store8
      (call $at (local.get $x) (local.get $y))
      (i32.ne (local.get $alive) (i32.const 0))))

  (func $get (export "get") (param $x i32) (param $y i32) (result i32)
    (i32.load8_u (call $at (local.get $x) (local.get $y))))

  ;; The three cells of row $y around $x.
  (func $row (param $x i32) (param $y i32) (result i32)
    (i32.add
      (i32.add
        (call $get (i32.sub (local.get $x) (i32.const 1)) (local.get $y))
        (call $get (local.get $x) (local.get $y)))
      (call $get (i32.add (local.get $x) (i32.const 1)) (local.get $y))))

  ;; Alive next: three in the square of nine, or four of which the middle is one.
  (func $next (param $x i32) (param $y i32) (result i32)
    (local $square i32)
    (local.set $square
      (i32.add
        (i32.add
          (call $row (local.get $x) (i32.sub (local.get $y) (i32.const 1)))
          (call $row (local.get $x) (local.get $y)))
        (call $row (local.get $x) (i32.add (local.get $y) (i32.const 1)))))
    (i32.or
      (i32.eq (local.get $square) (i32.const 3))
      (i32.and
        (i32.eq (local.get $square) (i32.const 4))
        (call $get (local.get $x) (local.get $y)))))

  (func $step (export "step")
    (local $cell i32)
    (loop $cells
      (i32.store8 offset=4096
        (local.get $cell)
        (call $next
          (i32.and (local.get $cell) (i32.const 63))
          (i32.shr_u (local.get $cell) (i32.const 6))))
      (local.set $cell (i32.add (local.get $cell) (i32.const 1)))
      (br_if $cells (i32.lt_u (local.get $cell) (i32.const 4096))))
    (memory.copy (i32.const 0) (i32.const 4096) (i32.const 4096)))

  (func $population (export "population") (result i32)
    (local $cell i32) (local $alive i32)
    (loop $cells
      (local.set $alive (i32.add (local.get $alive) (i32.load8_u (local.get $cell))))
      (local.set $cell (i32.add (local.get $cell) (i32.const 1)))
      (br_if $cells (i32.lt_u (local.get $cell) (i32.const 4096))))
    (local.get $alive))

  ;; The R-pentomino, five cells that boil for a long time; how many live after $generations.
  (func (export "pentomino") (param $generations i32) (result i32)
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 4096))
    (i32.store8 (call $at (i32.const 32) (i32.const 31)) (i32.const 1))
    (i32.store8 (call $at (i32.const 33) (i32.const 31)) (i32.const 1))
    (i32.store8 (call $at (i32.const 31) (i32.const 32)) (i32.const 1))
    (i32.store8 (call $at (i32.const 32) (i32.const 32)) (i32.const 1))
    (i32.store8 (call $at (i32.const 32) (i32.const 33)) (i32.const 1))
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $generations)))
        (call $step)
        (local.set $generations (i32.sub (local.get $generations) (i32.const 1)))
        (br $more)))
    (call $population)))
