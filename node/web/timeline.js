// The timeline of a universe as a picture: what was saved, what happened, who came and went, by tick.
// However much there is, the picture has as many parts as its width has room for: what lies together is drawn as one.
"use strict";

const LANES = { save: "saved", event: "happened", travel: "travelled" };
const AT_Y = { labels: [50, 32, 14], event: 72, axis: 92, travel: 140, numbers: 164, height: 172 };
const AT_Y_UNTRAVELLED = { ...AT_Y, numbers: 144, height: 152 };
const SAVES_HIGH = 30;
const APART = { save: 4, event: 12, travel: 12 }; // px in which things of a lane are drawn as one
const LABEL_PX = 6.7; // of a character, mostly
const LABELS_MAX = 40;
const TIMELINE_PAD = 14;
const ZOOM = 2;
const STEP_ENTRIES = 10; // PageUp and PageDown

// Colours by what something means; whatever has another word is an event like others.
const MEANINGS = {
  begins: "life", born: "life", "born again": "life", "a soul awakes": "life", "a union": "life", "a lineage begins": "life", arrives: "life",
  dies: "death", extinct: "death", departs: "death", "a crisis": "trouble", crisis: "trouble", war: "trouble",
};
const meaningOf = (one) => (one.type === "fork" ? "forked" : MEANINGS[one.word] || "other");
const numberText = (tick) => (typeof tick === "number" ? tick : BigInt(tick)).toLocaleString("en");

function laneOf(one) {
  if (one.event || one.type === "canonical" || one.type === "fork") return "event";
  return one.type.startsWith("passage:") ? "travel" : "save";
}

// What it is, in one line.
function entryTitle(one) {
  const title = one.title && one.title.toLowerCase() !== one.word.toLowerCase() ? `${one.word}: ${one.title}` : one.word;
  return laneOf(one) === "save" ? one.word : title;
}

function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return Math.max(1, power * [1, 2, 5, 10].find((each) => each * power >= least));
}

// Triangles and the like, around 0.
const TRAVEL_SHAPES = {
  "passage:departure": "M-6 5L0 -6L6 5z", "passage:arrival": "M-6 -5L0 6L6 -5z",
  "passage:refusal": "M-5 -5L5 5M-5 5L5 -5", "passage:return": "M0 -6L6 0L0 6L-6 0z",
};

class Timeline {
  // `entries` by tick, as the API has them; `chosen` hears of the one that somebody chose, `moved` of what is in sight.
  constructor(entries, chosen, moved) {
    this.entries = entries.map((one) => ({ ...one, at: Number(one.tick), lane: laneOf(one) }));
    this.chosen = chosen;
    this.moved = moved;
    const opens = this.entries.findLastIndex((one) => one.snapshot);
    this.index = opens < 0 ? this.entries.length - 1 : opens;
    const isTravelled = this.entries.some((one) => one.lane === "travel");
    this.y = isTravelled ? AT_Y : AT_Y_UNTRAVELLED;
    this.width = 0;
    this.picture = shape("svg", { "aria-hidden": "true", focusable: "false" });
    this.frame = element("div", undefined, "timeline");
    this.frame.tabIndex = 0;
    this.frame.setAttribute("role", "slider");
    this.frame.setAttribute("aria-label", "Timeline, by tick");
    this.frame.append(this.picture);
    this.place = element("div");
    this.place.append(this.controls(), this.frame, legend(isTravelled));
    const [first, last] = [this.entries[0]?.at ?? 0, this.entries.at(-1)?.at ?? 0];
    this.least = Math.max(4, Math.abs(last) * 1e-9); // ticks that are in sight at once
    this.ends = last - first < this.least ? [Math.max(0, first - 2), Math.max(0, first - 2) + this.least] : [first, last];
    [this.from, this.to] = this.ends;
    this.listen();
    new ResizeObserver(() => {
      const width = Math.floor(this.frame.clientWidth);
      if (width && width !== this.width) { this.width = width; this.draw(); }
    }).observe(this.frame);
  }

  // ── what is in sight ──

  show(from, to) {
    const [first, last] = this.ends;
    const span = Math.min(last - first, Math.max(this.least, to - from));
    this.from = Math.min(Math.max(first, from), last - span);
    this.to = this.from + span;
    this.draw();
  }

  zoom(factor, x = this.width / 2) {
    const at = this.tickAt(x);
    this.show(at - (at - this.from) / factor, at + (this.to - at) / factor);
  }

  pan(share) {
    const by = (this.to - this.from) * share;
    this.show(this.from + by, this.to + by);
  }

  x(at) { return TIMELINE_PAD + ((at - this.from) / (this.to - this.from)) * (this.width - 2 * TIMELINE_PAD); }
  tickAt(x) { return this.from + ((x - TIMELINE_PAD) / (this.width - 2 * TIMELINE_PAD)) * (this.to - this.from); }

  // The first of the entries at or after a tick.
  since(at) {
    let [low, high] = [0, this.entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.entries[middle].at < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  inSight() {
    let end = this.since(this.to);
    while (end < this.entries.length && this.entries[end].at <= this.to) end += 1;
    return this.entries.slice(this.since(this.from), end);
  }

  // Those of a lane that lie together, as {x, count, first, last, top}: `top` is what matters most of them.
  groups(lane, seen) {
    const found = new Map();
    for (const one of seen) {
      if (one.lane !== lane) continue;
      const x = this.x(one.at);
      const bin = Math.floor(x / APART[lane]);
      const there = found.get(bin);
      if (!there) found.set(bin, { x, count: 1, first: one.at, last: one.at, top: one });
      else {
        there.count += 1;
        there.last = one.at;
        if (weight(one) > weight(there.top)) there.top = one;
      }
    }
    return [...found.values()];
  }

  // ── drawing it ──

  draw() {
    if (!this.width) return;
    const seen = this.inSight();
    this.drawnGroups = Object.fromEntries(Object.keys(LANES).map((lane) => [lane, this.groups(lane, seen)]));
    this.picture.setAttribute("viewBox", `0 0 ${this.width} ${this.y.height}`);
    this.picture.setAttribute("width", this.width);
    this.picture.setAttribute("height", this.y.height);
    this.cursor = shape("g", { class: "cursor" });
    this.picture.replaceChildren(
      ...this.drawNumbers(), shape("path", { class: "axis", d: `M${TIMELINE_PAD} ${AT_Y.axis}H${this.width - TIMELINE_PAD}` }),
      ...this.drawnGroups.save.map((one) => saveMark(one)), ...this.drawLabels(), this.cursor,
      ...this.drawnGroups.event.map((one) => eventMark(one)), ...this.drawnGroups.travel.map((one) => travelMark(one)),
    );
    this.drawCursor();
    this.moved(seen, this.from > this.ends[0] || this.to < this.ends[1]);
  }

  drawNumbers() {
    const longest = numberText(Math.round(this.to)).length * 7.5 + 24;
    const step = roundStep((this.to - this.from) / Math.max(1, Math.floor((this.width - 2 * TIMELINE_PAD) / longest)));
    const start = Math.ceil(this.from / step) * step;
    const count = Math.min(40, Math.floor((this.to - start) / step) + 1);
    return Array.from({ length: Math.max(0, count) }, (_, at) => start + at * step).flatMap((tick) => {
      const [x, text] = [this.x(tick), numberText(tick)];
      const half = (text.length * 7.5) / 2;
      const anchor = x < half ? "start" : x > this.width - half ? "end" : "middle";
      return [
        shape("path", { class: "grid", d: `M${x} ${AT_Y.axis - 4}V${this.y.numbers - 14}` }),
        shape("text", { class: "number", x: anchor === "start" ? 1 : anchor === "end" ? this.width - 1 : x, y: this.y.numbers, "text-anchor": anchor }, text),
      ];
    });
  }

  // What matters most first, each where there is room for it.
  drawLabels() {
    const taken = AT_Y.labels.map(() => []);
    const wanted = [...this.drawnGroups.event].sort((a, b) => weight(b.top) - weight(a.top)).slice(0, LABELS_MAX);
    const longest = Math.max(8, Math.min(34, Math.floor((this.width - 30) / LABEL_PX)));
    const texts = [];
    const stems = wanted.flatMap((group) => {
      const more = group.count > 1 ? ` +${group.count - 1}` : "";
      const text = [...entryTitle(group.top)];
      const shown = (text.length > longest ? `${text.slice(0, longest - 1).join("")}…` : text.join("")) + more;
      const wide = [...shown].length * LABEL_PX + 10;
      const isLeft = group.x + wide > this.width && group.x > wide;
      const start = isLeft ? group.x - wide : Math.max(0, Math.min(group.x - 5, this.width - wide));
      const row = taken.findIndex((spans) => spans.every(([from, to]) => start + wide < from || start > to));
      if (row < 0) return [];
      taken[row].push([start, start + wide]);
      const y = AT_Y.labels[row];
      texts.push(shape("text", { class: "label", x: isLeft ? start + wide - 2 : start + 2, y, "text-anchor": isLeft ? "end" : "start" }, shown));
      return [shape("path", { class: `stem ${meaningOf(group.top)}`, d: `M${group.x} ${y + 4}V${AT_Y.event}` })];
    });
    return [...stems, ...texts];
  }

  drawCursor() {
    const one = this.entries[this.index];
    const values = one ? [this.ends[0], this.ends[1], one.at] : [0, 0, 0];
    ["min", "max", "now"].forEach((name, at) => this.frame.setAttribute(`aria-value${name}`, values[at]));
    this.frame.setAttribute("aria-valuetext", one ? `tick ${numberText(one.tick)}, ${entryTitle(one)}` : "nothing yet");
    if (!one || one.at < this.from || one.at > this.to) return this.cursor?.replaceChildren();
    const x = this.x(one.at);
    const y = { event: AT_Y.event, save: AT_Y.axis, travel: AT_Y.travel }[one.lane];
    return this.cursor?.replaceChildren(
      shape("path", { d: `M${x} 4V${this.y.numbers - 14}` }), shape("circle", { cx: x, cy: y, r: 10 }),
    );
  }

  // ── choosing ──

  choose(index) {
    if (!this.entries.length) return;
    this.index = Math.min(Math.max(0, index), this.entries.length - 1);
    const one = this.entries[this.index];
    if (one.at < this.from || one.at > this.to) {
      const half = (this.to - this.from) / 2;
      this.show(one.at - half, one.at + half);
    } else this.drawCursor();
    this.chosen(one);
  }

  // Of a snapshot that stands for an event, too, the snapshot.
  chooseSnapshot(id) {
    const isIt = (one) => one.snapshot === id;
    const at = this.entries.findIndex((one) => isIt(one) && one.lane === "save");
    const found = at < 0 ? this.entries.findIndex(isIt) : at;
    if (found >= 0) this.choose(found);
  }

  // What was pressed at: a heap of things is looked into, a single one chosen.
  press(x, y) {
    const lane = y < AT_Y.axis - 6 ? "event" : y > AT_Y.travel - 14 ? "travel" : "save";
    const nearest = (groups) => groups.reduce((best, one) => (best && Math.abs(best.x - x) <= Math.abs(one.x - x) ? best : one), null);
    const own = nearest(this.drawnGroups[lane]);
    const found = own && Math.abs(own.x - x) < 40 ? own : nearest(Object.values(this.drawnGroups).flat());
    if (!found) return;
    this.choose(this.entries.indexOf(found.top));
    if (found.count > 1 && this.to - this.from > this.least) {
      const more = Math.max(this.least, (found.last - found.first) * 1.2);
      const middle = (found.first + found.last) / 2;
      this.show(middle - more / 2, middle + more / 2);
    }
  }

  listen() {
    const keys = {
      ArrowRight: () => this.choose(this.index + 1), ArrowUp: () => this.choose(this.index + 1),
      ArrowLeft: () => this.choose(this.index - 1), ArrowDown: () => this.choose(this.index - 1),
      PageUp: () => this.choose(this.index + STEP_ENTRIES), PageDown: () => this.choose(this.index - STEP_ENTRIES),
      Home: () => this.choose(0), End: () => this.choose(this.entries.length - 1),
      "+": () => this.zoom(ZOOM, this.x(this.entries[this.index].at)), "-": () => this.zoom(1 / ZOOM), 0: () => this.show(...this.ends),
    };
    this.frame.addEventListener("keydown", (event) => {
      if (!Object.hasOwn(keys, event.key) || event.ctrlKey || event.metaKey || event.altKey || !this.entries.length) return;
      event.preventDefault();
      keys[event.key]();
    });
    this.frame.addEventListener("wheel", (event) => {
      const isAcross = Math.abs(event.deltaX) > Math.abs(event.deltaY);
      if (!isAcross && !event.ctrlKey && !event.metaKey) return; // the page scrolls
      event.preventDefault();
      if (isAcross) this.pan(event.deltaX / this.width);
      else this.zoom(event.deltaY < 0 ? 1.25 : 0.8, event.offsetX);
    }, { passive: false });
    this.listenToPointer();
  }

  listenToPointer() {
    let held = null;
    this.frame.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      held = { x: event.clientX, from: this.from, to: this.to, isDrag: false };
      this.frame.setPointerCapture(event.pointerId);
    });
    this.frame.addEventListener("pointermove", (event) => {
      if (!held || (!held.isDrag && Math.abs(event.clientX - held.x) < 5)) return;
      held.isDrag = true;
      const by = ((held.x - event.clientX) / (this.width - 2 * TIMELINE_PAD)) * (held.to - held.from);
      this.show(held.from + by, held.to + by);
    });
    this.frame.addEventListener("pointerup", (event) => {
      const box = this.frame.getBoundingClientRect();
      if (held && !held.isDrag) this.press(event.clientX - box.left - this.frame.clientLeft, event.clientY - box.top - this.frame.clientTop);
      held = null;
    });
    this.frame.addEventListener("pointercancel", () => { held = null; });
  }

  controls() {
    const row = element("div", undefined, "row choices");
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", "What is in sight");
    row.append(
      button("−", "Zoom out", () => this.zoom(1 / ZOOM)), button("+", "Zoom in", () => this.zoom(ZOOM)),
      button("◂", "Earlier", () => this.pan(-0.5)), button("▸", "Later", () => this.pan(0.5)),
      button("All", "All of it", () => this.show(...this.ends)),
    );
    return row;
  }
}

const weight = (one) => one.importance * 4 + (one.event ? 2 : 0) + (one.type === "manual" || one.type === "fork" ? 1 : 0);

function saveMark({ x, count, top }) {
  const high = Math.min(SAVES_HIGH, (top.type === "manual" ? 15 : 8) + 4 * Math.log2(count));
  return shape("rect", { class: `save ${top.type}`, x: x - 1.25, y: AT_Y.axis + 3, width: 2.5, height: high, rx: 1 });
}

function eventMark({ x, count, top }) {
  const kind = `${meaningOf(top)}${top.hasSnapshot ? "" : " hollow"}`;
  return shape("circle", { class: `event ${kind}`, cx: x, cy: AT_Y.event, r: Math.min(9, 5 + Math.log2(count)) });
}

function travelMark({ x, count, top }) {
  const grown = Math.min(1.6, 1 + Math.log2(count) / 8);
  return shape("path", { class: `travel ${top.type.slice(8)}`, transform: `translate(${x} ${AT_Y.travel}) scale(${grown})`, d: TRAVEL_SHAPES[top.type] || TRAVEL_SHAPES["passage:return"] });
}

// What the signs mean.
function legend(isTravelled) {
  const sign = (text, ...parts) => {
    const item = element("span");
    const picture = shape("svg", { viewBox: "-9 -9 18 18", width: 16, height: 16, "aria-hidden": "true" });
    picture.append(...parts);
    item.append(picture, ` ${text}`);
    return item;
  };
  const dot = (kind) => shape("circle", { class: `event ${kind}`, r: 5.5 });
  const bar = (kind, high) => shape("rect", { class: `save ${kind}`, x: -1.5, y: -high / 2, width: 3, height: high, rx: 1 });
  const way = (kind) => shape("path", { class: `travel ${kind}`, d: TRAVEL_SHAPES[`passage:${kind}`] });
  const line = element("p", undefined, "legend soft");
  line.append(
    sign("autosave", bar("auto", 8)), sign("saved", bar("manual", 15)), sign("begins", dot("life")), sign("ends", dot("death")),
    sign("trouble", dot("trouble")), sign("something else", dot("other")), sign("fork", dot("forked")), sign("without a snapshot", dot("other hollow")),
    ...(isTravelled ? [sign("left", way("departure")), sign("arrived", way("arrival")), sign("refused", way("refusal")), sign("came back", way("return"))] : []),
  );
  return line;
}
