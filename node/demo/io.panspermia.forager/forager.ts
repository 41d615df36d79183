// Judges a small neural network by what it eats. AssemblyScript; the rules are in README.md.
//
// Every number is an integer: 65,536 stands for one. Memory:
//   0x010000  nodes, 64 bytes each:  id 0, isInput 4, activation 8, aggregation 12, bias 16,
//                                    response 24, value 32, next 40, isReady 48
//   0x020000  connections, 16 bytes each: from 0, to 4 (places of nodes), weight 8
//   0x040000  outputs, 4 bytes each: places of nodes      0x041000  food, 16 bytes each: x, y
//   0x080000  the genome, 512 KiB                         0x100000  what its hex stands for
const NODES: usize = 0x10000;
const NODE_BYTES: usize = 64;
const NODES_MAX: i32 = 256;
const CONNECTIONS: usize = 0x20000;
const CONNECTIONS_MAX: i32 = 8192;
const OUTPUTS: usize = 0x40000;
const OUTPUTS_MAX: i32 = 64;
const FOOD: usize = 0x41000;
const FOOD_COUNT: i32 = 24;
const GENOME: usize = 0x80000;
const GENOME_BYTES_MAX: i32 = 0x80000;
const PLAIN: usize = 0x100000;
const UNJUDGED: i64 = i64.MIN_VALUE;
const TICKS_MAX: i64 = 100000;
const ONE: i64 = 65536;
const LARGEST: i64 = 1000 * 65536;
const SPAN: i64 = 64 * 65536;
const ENERGY_MAX: i64 = 200 * 65536;

let end: usize = 0;
let nodes: i32 = 0;
let inputs: i32 = 0;
let outputs: i32 = 0;
let connections: i32 = 0;
let isRecurrent: bool = false;
let random: u64 = 0;

export function eval_abi(): i32 {
  return 1;
}

export function alloc(size: i32): i32 {
  return size <= GENOME_BYTES_MAX ? <i32>GENOME : -1;
}

export function evaluate(ptr: i32, size: i32, seed: i64, ticks: i64): i64 {
  if (ticks < 0 || ticks > TICKS_MAX) return UNJUDGED;
  const begin = <usize>ptr;
  end = begin + <usize>size;
  const at = blank(begin);
  const isRead = at < end && load<u8>(at) == 123 ? readNeat(at) : readPrimordium(at);
  if (!isRead || !outputs) return UNJUDGED;
  if (!isRecurrent && !isAcyclic()) return UNJUDGED;
  return forage(seed, <i32>ticks);
}

// ── JSON: places in it; 0 is nowhere ───────────────────────────────────────────────────────────────

function blank(at: usize): usize {
  while (at < end) {
    const c = load<u8>(at);
    if (c != 32 && c != 9 && c != 10 && c != 13) break;
    at++;
  }
  return at;
}

function is(at: usize, c: i32): bool {
  return at && at < end && <i32>load<u8>(at) == c;
}

// After the text that begins here.
function afterText(at: usize): usize {
  at++;
  while (at < end && load<u8>(at) != 34) at += load<u8>(at) == 92 ? 2 : 1;
  return at < end ? at + 1 : 0;
}

// After the value that begins here.
function after(at: usize): usize {
  let depth = 0;
  while (at < end) {
    const c = load<u8>(at);
    if (c == 34) {
      at = afterText(at);
      if (!at) return 0;
      if (!depth) return at;
      continue;
    }
    if (c == 123 || c == 91) depth++;
    else if (c == 125 || c == 93) {
      if (--depth < 0) return at;
      at++;
      if (!depth) return at;
      continue;
    } else if (!depth && (c == 44 || c <= 32)) return at;
    at++;
  }
  return depth ? 0 : at;
}

function isText(at: usize, text: string): bool {
  const size = <usize>text.length;
  if (!is(at, 34) || at + size + 1 >= end) return false;
  for (let n: usize = 0; n < size; n++) {
    if (<i32>load<u8>(at + 1 + n) != text.charCodeAt(<i32>n)) return false;
  }
  return load<u8>(at + 1 + size) == 34;
}

// The value under `key` of the object that begins here.
function find(at: usize, key: string): usize {
  if (!is(at, 123)) return 0;
  at = blank(at + 1);
  while (is(at, 34)) {
    const isIt = isText(at, key);
    at = afterText(at);
    if (!at) return 0;
    at = blank(at);
    if (!is(at, 58)) return 0;
    at = blank(at + 1);
    if (isIt) return at;
    at = after(at);
    if (!at) return 0;
    at = blank(at);
    if (is(at, 44)) at = blank(at + 1);
  }
  return 0;
}

// The first item of the array that begins here; 0 where there is none.
function first(at: usize): usize {
  if (!is(at, 91)) return 0;
  at = blank(at + 1);
  return is(at, 93) ? 0 : at;
}

function following(at: usize): usize {
  at = after(at);
  if (!at) return 0;
  at = blank(at);
  return is(at, 44) ? blank(at + 1) : 0;
}

function digit(at: usize): i32 {
  if (at >= end) return -1;
  const c = <i32>load<u8>(at) - 48;
  return c >= 0 && c <= 9 ? c : -1;
}

let failed: bool = false;

// A number in units of 1/65,536, cut towards zero: its first 14 digits count, at most 1,000 of it.
function number(at: usize): i64 {
  const isMinus = is(at, 45);
  if (isMinus) at++;
  if (digit(at) < 0) {
    failed = true;
    return 0;
  }
  let digits: i64 = 0;
  let kept = 0;
  let exponent = 0;
  let isAfterPoint = false;
  while (true) {
    const d = digit(at);
    if (d < 0) {
      if (isAfterPoint || !is(at, 46)) break;
      isAfterPoint = true;
    } else {
      if (kept < 14) {
        digits = digits * 10 + <i64>d;
        if (digits) kept++;
        if (isAfterPoint) exponent--;
      } else if (!isAfterPoint) exponent++;
    }
    at++;
  }
  if (is(at, 101) || is(at, 69)) {
    at++;
    const isNegative = is(at, 45);
    if (isNegative || is(at, 43)) at++;
    let power = 0;
    while (digit(at) >= 0) {
      power = power < 10000 ? power * 10 + digit(at) : power;
      at++;
    }
    exponent += isNegative ? -power : power;
  }
  let found = digits << 16;
  for (; exponent < 0 && found; exponent++) found /= 10;
  for (; exponent > 0 && found && found < LARGEST; exponent--) found = found > LARGEST ? LARGEST : found * 10;
  if (found > LARGEST) found = LARGEST;
  return isMinus ? -found : found;
}

// A whole number of at most nine digits.
function whole(at: usize): i32 {
  const isMinus = is(at, 45);
  if (isMinus) at++;
  let found = 0;
  let count = 0;
  for (; digit(at) >= 0; at++) {
    found = found * 10 + digit(at);
    if (++count > 9) break;
  }
  if (!count || count > 9 || is(at, 46) || is(at, 101) || is(at, 69)) failed = true;
  return isMinus ? -found : found;
}

// ── networks ───────────────────────────────────────────────────────────────────────────────────────

function node(place: i32): usize {
  return NODES + <usize>place * NODE_BYTES;
}

function placeOf(id: i32): i32 {
  for (let n = 0; n < nodes; n++) if (load<i32>(node(n)) == id) return n;
  return -1;
}

// A new node; -1 where there is one of that id, or no room.
function add(id: i32, isInput: bool): i32 {
  if (nodes >= NODES_MAX || placeOf(id) >= 0) return -1;
  const one = node(nodes);
  memory.fill(one, 0, NODE_BYTES);
  store<i32>(one, id);
  store<i32>(one, isInput ? 1 : 0, 4);
  store<i64>(one, ONE, 24);
  return nodes++;
}

function activation(at: usize): i32 {
  if (isText(at, "sigmoid")) return 1;
  if (isText(at, "tanh")) return 2;
  if (isText(at, "relu")) return 3;
  if (isText(at, "identity")) return 4;
  if (isText(at, "clamped")) return 5;
  if (isText(at, "abs")) return 6;
  if (isText(at, "gauss")) return 7;
  if (isText(at, "square")) return 8;
  if (isText(at, "cube")) return 9;
  if (isText(at, "hat")) return 10;
  return 0;
}

function aggregation(at: usize): i32 {
  if (isText(at, "sum")) return 1;
  if (isText(at, "product")) return 2;
  if (isText(at, "max")) return 3;
  if (isText(at, "min")) return 4;
  if (isText(at, "mean")) return 5;
  return 0;
}

function clear(): void {
  nodes = 0;
  inputs = 0;
  outputs = 0;
  connections = 0;
  failed = false;
}

function readNeat(root: usize): bool {
  clear();
  const type = find(root, "network_type");
  isRecurrent = isText(type, "recurrent");
  if (!isRecurrent && !isText(type, "feedforward")) return false;
  const topology = find(root, "topology");
  if (!is(find(topology, "input_keys"), 91) || !is(find(topology, "output_keys"), 91)) return false;
  for (let at = first(find(topology, "input_keys")); at; at = following(at)) {
    if (add(whole(at), true) < 0 || failed) return false;
    inputs++;
  }
  for (let at = first(find(root, "nodes")); at; at = following(at)) {
    if (!is(at, 123)) return false;
    const id = whole(find(at, "id"));
    if (failed) return false;
    const known = placeOf(id);
    if (known >= 0 && load<i32>(node(known), 4)) continue; // an input, named before
    const place = add(id, false);
    if (place < 0) return false;
    const one = node(place);
    const act = activation(find(find(at, "activation"), "name"));
    const agg = aggregation(find(find(at, "aggregation"), "name"));
    if (!act || !agg) return false;
    store<i32>(one, act, 8);
    store<i32>(one, agg, 12);
    store<i64>(one, number(find(at, "bias")), 16);
    store<i64>(one, number(find(at, "response")), 24);
    if (failed) return false;
  }
  for (let at = first(find(topology, "output_keys")); at; at = following(at)) {
    const place = placeOf(whole(at));
    if (failed || place < 0 || outputs >= OUTPUTS_MAX) return false;
    store<i32>(OUTPUTS + <usize>(outputs++) * 4, place);
  }
  return readConnections(find(root, "connections"));
}

function readConnections(list: usize): bool {
  if (!is(list, 91)) return false;
  for (let at = first(list); at; at = following(at)) {
    const from = placeOf(whole(find(at, "from")));
    const to = placeOf(whole(find(at, "to")));
    const weight = number(find(at, "weight"));
    if (failed || from < 0 || to < 0 || load<i32>(node(to), 4)) return false;
    const enabled = find(at, "enabled");
    if (!is(enabled, 116)) {
      if (!is(enabled, 102)) return false;
      continue; // false: it was switched off
    }
    if (connections >= CONNECTIONS_MAX) return false;
    const one = CONNECTIONS + <usize>(connections++) * 16;
    store<i32>(one, from);
    store<i32>(one, to, 4);
    store<i64>(one, weight, 8);
  }
  return true;
}

function hexDigit(c: i32): i32 {
  if (c >= 48 && c <= 57) return c - 48;
  if (c >= 97 && c <= 102) return c - 87;
  if (c >= 65 && c <= 70) return c - 55;
  return -1;
}

// The flat hex of a genotype: `brain` in it is a network of sums and tanh that remembers.
function readPrimordium(at: usize): bool {
  let to = PLAIN;
  while (at + 1 < end) {
    const high = hexDigit(load<u8>(at));
    const low = hexDigit(load<u8>(at + 1));
    if (high < 0 || low < 0) break;
    store<u8>(to++, (high << 4) | low);
    at += 2;
  }
  if (blank(at) != end || to == PLAIN) return false;
  end = to;
  clear();
  isRecurrent = true;
  const brain = find(blank(PLAIN), "brain");
  for (let one = first(find(brain, "nodes")); one; one = following(one)) {
    const type = find(one, "node_type");
    const isInput = isText(type, "Input");
    const isOutput = isText(type, "Output");
    if (!isInput && !isOutput && !isText(type, "Hidden")) return false;
    const place = add(whole(find(one, "id")), isInput);
    if (failed || place < 0) return false;
    store<i32>(node(place), 11, 8);
    store<i32>(node(place), 1, 12);
    if (isInput) inputs++;
    if (isOutput) {
      if (outputs >= OUTPUTS_MAX) return false;
      store<i32>(OUTPUTS + <usize>(outputs++) * 4, place);
    }
  }
  return readConnections(find(brain, "connections"));
}

// Can every node be reckoned from nodes reckoned before? Leaves nothing marked.
function isAcyclic(): bool {
  forget();
  const isDone = sweep(false);
  forget();
  return isDone;
}

function forget(): void {
  for (let n = 0; n < nodes; n++) store<i32>(node(n), load<i32>(node(n), 4), 48);
}

// Reckons what is not ready from what is, until nothing is left or nothing more can be.
function sweep(isReal: bool): bool {
  let left = true;
  let moved = true;
  while (left && moved) {
    left = false;
    moved = false;
    for (let n = 0; n < nodes; n++) {
      if (load<i32>(node(n), 48)) continue;
      if (!hasAll(n)) {
        left = true;
        continue;
      }
      if (isReal) store<i64>(node(n), reckoned(n), 32);
      store<i32>(node(n), 1, 48);
      moved = true;
    }
  }
  return !left;
}

function hasAll(place: i32): bool {
  for (let n = 0; n < connections; n++) {
    const one = CONNECTIONS + <usize>n * 16;
    if (load<i32>(one, 4) == place && !load<i32>(node(load<i32>(one)), 48)) return false;
  }
  return true;
}

// ── reckoning ──────────────────────────────────────────────────────────────────────────────────────

function within(value: i64, most: i64): i64 {
  return value > most ? most : value < -most ? -most : value;
}

function times(a: i64, b: i64): i64 {
  return (a * b) >> 16;
}

// What the node gives, from the values that there are.
function reckoned(place: i32): i64 {
  const one = node(place);
  const how = load<i32>(one, 12);
  let found: i64 = how == 2 ? ONE : 0;
  let count: i64 = 0;
  for (let n = 0; n < connections; n++) {
    const each = CONNECTIONS + <usize>n * 16;
    if (load<i32>(each, 4) != place) continue;
    const given = times(load<i64>(each, 8), load<i64>(node(load<i32>(each)), 32));
    count++;
    if (how == 2) found = within(times(found, given), LARGEST);
    else if (how == 3) found = count == 1 || given > found ? given : found;
    else if (how == 4) found = count == 1 || given < found ? given : found;
    else found += given;
  }
  if (!count) found = 0;
  else if (how == 5) found /= count;
  found = within(found, LARGEST);
  const sum = within(load<i64>(one, 16) + times(load<i64>(one, 24), found), LARGEST);
  return within(activated(load<i32>(one, 8), sum), LARGEST);
}

function activated(how: i32, x: i64): i64 {
  switch (how) {
    case 1:
      return logistic(5 * x);
    case 2:
      return 2 * logistic(5 * x) - ONE;
    case 3:
      return x > 0 ? x : 0;
    case 4:
      return x;
    case 5:
      return within(x, ONE);
    case 6:
      return x < 0 ? -x : x;
    case 7: {
      const z = within(x, 222822); // 3.4
      return <i64>(decay(<u64>(5 * times(z, z))) >> 16);
    }
    case 8:
      return times(x, x);
    case 9:
      return times(within(times(x, x), LARGEST), x);
    case 10: {
      const far = x < 0 ? -x : x;
      return far < ONE ? ONE - far : 0;
    }
    default:
      return 2 * logistic(2 * x) - ONE;
  }
}

// e^-z in units of 2^-32, z in units of 1/65,536: 2^-whole by a shift, the rest by ten terms.
function decay(z: u64): u64 {
  const turns = (z * 6196328018) >> 16; // z / ln 2
  const shift = turns >> 32;
  if (shift > 63) return 0;
  const u = ((turns & 0xffffffff) * 2977044471) >> 32; // times ln 2
  let found: u64 = 1 << 32;
  for (let n: u64 = 10; n > 0; n--) found = (1 << 32) - ((u * found) >> 32) / n;
  return found >> shift;
}

// 1 / (1 + e^-z)
function logistic(z: i64): i64 {
  z = within(z, 60 * ONE);
  const half = <i64>((<u64>1 << 48) / ((<u64>1 << 32) + decay(<u64>(z < 0 ? -z : z))));
  return z < 0 ? ONE - half : half;
}

// One tick of the network: inputs are set, outputs are read.
function think(): void {
  if (!isRecurrent) {
    forget();
    sweep(true);
    return;
  }
  for (let n = 0; n < nodes; n++) {
    if (!load<i32>(node(n), 4)) store<i64>(node(n), reckoned(n), 40);
  }
  for (let n = 0; n < nodes; n++) {
    if (!load<i32>(node(n), 4)) store<i64>(node(n), load<i64>(node(n), 40), 32);
  }
}

// The output, from -1 to 1; 1 where there is none.
function output(number: i32): i64 {
  if (number >= outputs) return ONE;
  const one = node(load<i32>(OUTPUTS + <usize>number * 4));
  const value = load<i64>(one, 32);
  return within(load<i32>(one, 8) == 1 ? 2 * value - ONE : value, ONE);
}

// ── the world ──────────────────────────────────────────────────────────────────────────────────────

function draw(): u64 {
  random ^= random >> 12;
  random ^= random << 25;
  random ^= random >> 27;
  return random * 0x2545f4914f6cdd1d;
}

function grow(place: i32): void {
  store<i64>(FOOD + <usize>place * 16, <i64>(draw() >> 42));
  store<i64>(FOOD + <usize>place * 16, <i64>(draw() >> 42), 8);
}

// From one place to another, the short way around.
function way(from: i64, to: i64): i64 {
  const found = (to - from) & (SPAN - 1);
  return found >= SPAN / 2 ? found - SPAN : found;
}

function root(square: i64): i64 {
  let found: i64 = 0;
  for (let bit: i64 = 1 << 31; bit; bit >>= 1) {
    const more = found | bit;
    if (more * more <= square) found = more;
  }
  return found;
}

let x: i64 = 0;
let y: i64 = 0;

function square(place: i32): i64 {
  const dx = way(x, load<i64>(FOOD + <usize>place * 16));
  const dy = way(y, load<i64>(FOOD + <usize>place * 16, 8));
  return dx * dx + dy * dy;
}

function forage(seed: i64, ticks: i32): i64 {
  random = seed ? <u64>seed : 0x9e3779b97f4a7c15;
  for (let n = 0; n < FOOD_COUNT; n++) grow(n);
  x = SPAN / 2;
  y = SPAN / 2;
  let hx = ONE;
  let hy: i64 = 0;
  let energy = ENERGY_MAX / 2;
  let last: i64 = 0;
  let eaten: i64 = 0;
  for (let tick = 0; tick < ticks; tick++) {
    sense(hx, hy, energy, last);
    think();
    const turn = output(0);
    const speed = (output(1) + ONE) >> 1;
    last = turn;
    const t = turn >> 2;
    const t2 = times(t, t);
    const c = ((ONE - t2) << 16) / (ONE + t2);
    const s = ((2 * t) << 16) / (ONE + t2);
    const nx = (hx * c - hy * s) >> 16;
    const ny = (hx * s + hy * c) >> 16;
    const length = root(nx * nx + ny * ny);
    hx = (nx << 16) / length;
    hy = (ny << 16) / length;
    x = (x + times(hx, speed)) & (SPAN - 1);
    y = (y + times(hy, speed)) & (SPAN - 1);
    for (let n = 0; n < FOOD_COUNT; n++) {
      if (square(n) >= ONE * ONE) continue;
      eaten++;
      energy += 40 * ONE;
      if (energy > ENERGY_MAX) energy = ENERGY_MAX;
      grow(n);
    }
    energy -= (ONE + speed) >> 1;
    if (energy <= 0) return eaten * 1000000 + <i64>(tick + 1);
  }
  return eaten * 1000000 + <i64>ticks;
}

function sense(hx: i64, hy: i64, energy: i64, last: i64): void {
  let nearest = 0;
  for (let n = 1; n < FOOD_COUNT; n++) if (square(n) < square(nearest)) nearest = n;
  const dx = way(x, load<i64>(FOOD + <usize>nearest * 16));
  const dy = way(y, load<i64>(FOOD + <usize>nearest * 16, 8));
  const far = root(dx * dx + dy * dy);
  let number = 0;
  for (let n = 0; n < nodes; n++) {
    const one = node(n);
    if (!load<i32>(one, 4)) continue;
    let value: i64 = 0;
    if (number == 0) value = far ? (hx * dx + hy * dy) / far : 0;
    else if (number == 1) value = far ? (hx * dy - hy * dx) / far : 0;
    else if (number == 2) value = far < 32 * ONE ? ONE - (far >> 5) : 0;
    else if (number == 3) value = energy / 200;
    else if (number == 4) value = last;
    else if (number == 5) value = ONE;
    store<i64>(one, value, 32);
    number++;
  }
}
