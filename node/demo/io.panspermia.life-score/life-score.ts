// Judges a pattern in RLE: how long it lives, and what is left of it. AssemblyScript; see README.md.
//
// The world is a torus of 256 × 256 cells, one bit a cell, four 64-bit words a row. Memory:
//   0x000000  the world          8 KiB      0x010000  what each row was hashed to, 256 words
//   0x004000  the next world     8 KiB      0x020000  a table of 2^18 states seen, 4 MiB, 16 bytes each
//   0x700000  the genome
const WORLD: usize = 0;
const NEXT: usize = 0x4000;
const TURNED: usize = 0x10000;
const SEEN: usize = 0x20000;
const SEEN_MASK: u64 = 0x3ffff;
const GENOME: usize = 0x700000;
const GENOME_BYTES_MAX: i32 = 0x80000;
const SIZE: i32 = 256;
const UNJUDGED: i64 = i64.MIN_VALUE;
const TICKS_MAX: i64 = 90000;

let birth: i32 = 0; // bit n: a dead cell with n neighbours is born
let survive: i32 = 0;
let width: i32 = 0; // as the header says
let height: i32 = 0;
let at: usize = 0;
let end: usize = 0;
let top: i32 = 0; // where the pattern begins: see `locate`
let left: i32 = 0;

export function eval_abi(): i32 {
  return 1;
}

export function alloc(size: i32): i32 {
  return size <= GENOME_BYTES_MAX ? <i32>GENOME : -1;
}

export function evaluate(ptr: i32, size: i32, seed: i64, ticks: i64): i64 {
  at = <usize>ptr;
  end = at + <usize>size;
  if (ticks < 0 || ticks > TICKS_MAX) return UNJUDGED;
  if (!header() || !body()) return UNJUDGED;
  if (seed) mutate(seed);
  return live(<i32>ticks);
}

// ── reading ────────────────────────────────────────────────────────────────────────────────────────

function peek(): i32 {
  return at < end ? <i32>load<u8>(at) : -1;
}

function isBlank(c: i32): bool {
  return c == 32 || c == 9 || c == 13 || c == 10;
}

function skipBlank(): void {
  while (isBlank(peek())) at++;
}

function skipLine(): void {
  while (at < end && peek() != 10) at++;
  if (at < end) at++;
}

// The next number, or -1 where there is none or it is over a million.
function number(): i32 {
  let found = -1;
  for (let c = peek(); c >= 48 && c <= 57; c = peek()) {
    found = (found < 0 ? 0 : found) * 10 + (c - 48);
    if (found > 1000000) return -1;
    at++;
  }
  return found;
}

function lower(c: i32): i32 {
  return c >= 65 && c <= 90 ? c + 32 : c;
}

// One `x = 3`, without blanks around it or with.
function sized(name: i32): i32 {
  skipBlank();
  if (lower(peek()) != name) return -1;
  at++;
  skipBlank();
  if (peek() != 61) return -1;
  at++;
  skipBlank();
  return number();
}

// Comments, then `x = 3, y = 3, rule = B3/S23`; without a rule it is Conway's.
function header(): bool {
  skipBlank();
  while (peek() == 35) {
    skipLine();
    skipBlank();
  }
  width = sized(120);
  skipBlank();
  if (peek() != 44) return false;
  at++;
  height = sized(121);
  if (width < 0 || width > SIZE || height < 0 || height > SIZE) return false;
  birth = 8;
  survive = 12;
  while (peek() == 32 || peek() == 9) at++;
  if (peek() == 44) {
    at++;
    if (!rule()) return false;
  }
  while (peek() == 32 || peek() == 9 || peek() == 13) at++;
  if (at < end && peek() != 10) return false;
  return true;
}

function word(a: i32, b: i32, c: i32, d: i32): bool {
  if (end - at < 4) return false;
  if (lower(load<u8>(at)) != a || lower(load<u8>(at + 1)) != b) return false;
  if (lower(load<u8>(at + 2)) != c || lower(load<u8>(at + 3)) != d) return false;
  at += 4;
  return true;
}

// B3/S23, b3s23 or, as it once was, 23/3. The digits 0 to 8, each once at the most.
function rule(): bool {
  skipBlank();
  if (!word(114, 117, 108, 101)) return false;
  skipBlank();
  if (peek() != 61) return false;
  at++;
  skipBlank();
  if (lower(peek()) == 98) {
    at++;
    birth = digits();
    if (peek() == 47) at++;
    if (lower(peek()) != 115) return false;
    at++;
    survive = digits();
  } else {
    survive = digits();
    if (peek() != 47) return false;
    at++;
    birth = digits();
  }
  return birth >= 0 && survive >= 0;
}

function digits(): i32 {
  let found = 0;
  for (let c = peek(); c >= 48 && c <= 56; c = peek()) {
    if (found & (1 << (c - 48))) return -1;
    found |= 1 << (c - 48);
    at++;
  }
  return found;
}

function flip(x: i32, y: i32): void {
  const place = WORLD + (<usize>y * 4 + <usize>(x >> 6)) * 8;
  store<u64>(place, load<u64>(place) ^ ((<u64>1) << <u64>(x & 63)));
}

// Runs of b, o and $ up to the `!`; `.` and A are b and o. The pattern begins in the middle.
function body(): bool {
  memory.fill(WORLD, 0, 0x4000);
  const x0 = (SIZE - width) >> 1;
  const y0 = (SIZE - height) >> 1;
  let x = 0;
  let y = 0;
  while (true) {
    skipBlank();
    if (at >= end) return true;
    const first = peek();
    let run = 1;
    if (first >= 48 && first <= 57) {
      run = number();
      if (run < 1) return false;
    }
    skipBlank();
    const c = peek();
    at++;
    if (c == 33) return true; // !
    if (c == 36) {
      // $
      y += run;
      x = 0;
    } else if (c == 98 || c == 46) {
      x += run;
    } else if (c == 111 || c == 65) {
      if (x + run > width || y >= height) return false;
      for (let n = 0; n < run; n++) flip(x0 + x + n, y0 + y);
      x += run;
    } else {
      return false;
    }
    if (x > SIZE || y > SIZE) return false;
  }
}

// One cell of the pattern's box, chosen by the seed, is turned over: how robust is it?
function mutate(seed: i64): void {
  if (width == 0 || height == 0) return;
  let state = <u64>seed;
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  const drawn = (state * 0x2545f4914f6cdd1d) >> 32;
  const cell = <i32>((drawn * <u64>(width * height)) >> 32);
  flip(((SIZE - width) >> 1) + (cell % width), ((SIZE - height) >> 1) + cell / width);
}

// ── living ─────────────────────────────────────────────────────────────────────────────────────────

// The row `y` with the bits of each cell's left neighbour, or of its right one.
function fromLeft(row: usize, n: usize): u64 {
  return (load<u64>(row + n * 8) << 1) | (load<u64>(row + ((n + 3) & 3) * 8) >> 63);
}

function fromRight(row: usize, n: usize): u64 {
  return (load<u64>(row + n * 8) >> 1) | (load<u64>(row + ((n + 1) & 3) * 8) << 63);
}

function isEmpty(row: usize): bool {
  return !(load<u64>(row) | load<u64>(row, 8) | load<u64>(row, 16) | load<u64>(row, 24));
}

function step(): void {
  for (let y: usize = 0; y < 256; y++) {
    const here = WORLD + y * 32;
    const above = WORLD + ((y + 255) & 255) * 32;
    const below = WORLD + ((y + 1) & 255) * 32;
    const out = NEXT + y * 32;
    if (!(birth & 1) && isEmpty(above) && isEmpty(here) && isEmpty(below)) {
      memory.fill(out, 0, 32);
      continue;
    }
    for (let n: usize = 0; n < 4; n++) store<u64>(out + n * 8, next(above, here, below, n));
  }
  memory.copy(WORLD, NEXT, 0x2000);
}

// The neighbours of 64 cells at once, counted in binary: `ones`, `twos`, `fours`, `eights`.
function next(above: usize, here: usize, below: usize, n: usize): u64 {
  let ones: u64 = 0;
  let twos: u64 = 0;
  let fours: u64 = 0;
  let eights: u64 = 0;
  for (let k = 0; k < 8; k++) {
    const row = k < 3 ? above : k < 5 ? here : below;
    const way = k < 3 ? k : k == 3 ? 0 : k == 4 ? 2 : k - 5;
    let add = way == 0 ? fromLeft(row, n) : way == 1 ? load<u64>(row + n * 8) : fromRight(row, n);
    let carry = ones & add;
    ones ^= add;
    add = carry;
    carry = twos & add;
    twos ^= add;
    add = carry;
    carry = fours & add;
    fours ^= add;
    eights ^= carry;
  }
  const alive = load<u64>(here + n * 8);
  let found: u64 = 0;
  for (let count = 0; count < 9; count++) {
    const born = (birth >> count) & 1;
    const stays = (survive >> count) & 1;
    if (!(born | stays)) continue;
    let these = count & 1 ? ones : ~ones;
    these &= count & 2 ? twos : ~twos;
    these &= count & 4 ? fours : ~fours;
    these &= count & 8 ? eights : ~eights;
    if (born) found |= these & ~alive;
    if (stays) found |= these & alive;
  }
  return found;
}

function population(): i64 {
  let count: i64 = 0;
  for (let place = WORLD; place < WORLD + 0x2000; place += 8) count += popcnt<u64>(load<u64>(place));
  return count;
}

// Is there anything in this row, in this column?
function rowAt(y: i32): bool {
  return !isEmpty(WORLD + <usize>(y & 255) * 32);
}

function columnAt(x: i32): bool {
  return <bool>((load<u64>(TURNED + <usize>((x & 255) >> 6) * 8) >> <u64>(x & 63)) & 1);
}

// Where, around the torus, the first of the longest runs of nothing ends: 0 where all is nothing, or
// nothing is.
function beginning(ofRows: bool): i32 {
  let best = 0;
  let found = 0;
  for (let start = 0; start < SIZE; start++) {
    const isFilled = ofRows ? rowAt(start) : columnAt(start);
    if (!isFilled) continue;
    let empty = 0;
    while (empty < SIZE && !(ofRows ? rowAt(start + 1 + empty) : columnAt(start + 1 + empty))) empty++;
    if (empty > best && empty < SIZE) {
      best = empty;
      found = (start + 1 + empty) & 255;
    }
  }
  return found;
}

function locate(): void {
  for (let n: usize = 0; n < 4; n++) {
    let any: u64 = 0;
    for (let y: usize = 0; y < 256; y++) any |= load<u64>(WORLD + y * 32 + n * 8);
    store<u64>(TURNED + n * 8, any);
  }
  top = beginning(true);
  left = beginning(false);
}

// 64 bits for the pattern, wherever on the torus it lies.
function hash(): u64 {
  let found: u64 = 0x9e3779b97f4a7c15;
  const turn = <u64>(left & 63);
  const skip = <usize>(left >> 6);
  for (let y = 0; y < SIZE; y++) {
    const row = WORLD + <usize>((top + y) & 255) * 32;
    if (isEmpty(row)) continue;
    found = mixed(found, <u64>y);
    for (let n: usize = 0; n < 4; n++) {
      const low = load<u64>(row + ((n + skip) & 3) * 8);
      const high = load<u64>(row + ((n + skip + 1) & 3) * 8);
      found = mixed(found, turn ? (low >> turn) | (high << (64 - turn)) : low);
    }
  }
  return found ? found : 1;
}

function mixed(state: u64, word: u64): u64 {
  state = (rotl<u64>(state, 29) ^ word) * 0x9e3779b97f4a7c15;
  return state ^ (state >> 32);
}

// Which generation looked like this; where none did, `generation` does from now on, and -1 is given.
function seen(key: u64, generation: i32): i32 {
  let slot = key & SEEN_MASK;
  while (true) {
    const place = SEEN + <usize>slot * 16;
    const known = load<u64>(place);
    if (known == key) return load<i32>(place, 8);
    if (!known) {
      store<u64>(place, key);
      store<i32>(place, generation, 8);
      store<i16>(place, <i16>left, 12);
      store<i16>(place, <i16>top, 14);
      return -1;
    }
    slot = (slot + 1) & SEEN_MASK;
  }
}

// How far apart two places on the torus are, along one axis.
function apart(a: i32, b: i32): i64 {
  const found = (a - b) & 255;
  return <i64>(found > 128 ? 256 - found : found);
}

function displacement(key: u64): i64 {
  let slot = key & SEEN_MASK;
  while (load<u64>(SEEN + <usize>slot * 16) != key) slot = (slot + 1) & SEEN_MASK;
  const place = SEEN + <usize>slot * 16;
  const dx = apart(left, <i32>load<i16>(place, 12));
  const dy = apart(top, <i32>load<i16>(place, 14));
  return dx > dy ? dx : dy;
}

function least(value: i64, most: i64): i64 {
  return value < most ? value : most;
}

// lifespan · 10^11 + period · 10^7 + displacement · 10^5 + population
function live(ticks: i32): i64 {
  memory.fill(SEEN, 0, (<usize>SEEN_MASK + 1) * 16);
  let generation = 0;
  while (true) {
    locate();
    const key = hash();
    const before = seen(key, generation);
    if (before >= 0) {
      const period = least(<i64>(generation - before), 9999);
      const far = least(displacement(key), 99);
      return <i64>before * 100000000000 + period * 10000000 + far * 100000 + population();
    }
    if (generation == ticks) return <i64>ticks * 100000000000 + population();
    step();
    generation++;
  }
}
