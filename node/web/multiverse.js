// Universes, passages and players in lists on the node's page, and a form for a universe of one's own.
"use strict";

const UNIVERSES_AT_ONCE = 12;
const PLAYERS_AT_ONCE = 20;
const AGAIN_MS = 2000; // a game that saves every second redraws nothing more often

// ── a universe as a planet, the same one wherever it stands ──

// 32 bits of a text (FNV-1a).
function mixed(text) {
  let made = 0x811c9dc5;
  for (const one of text) made = Math.imul(made ^ one.codePointAt(0), 0x01000193);
  return made >>> 0;
}

let planetsMade = 0;
function planetParts(full, x, y, radius) {
  const seed = mixed(full);
  const hue = seed % 360;
  const id = `planet-${planetsMade += 1}`;
  const clip = shape("clipPath", { id });
  clip.append(shape("circle", { cx: x, cy: y, r: radius }));
  const bands = shape("g", { "clip-path": `url(#${id})` });
  bands.append(shape("circle", { cx: x, cy: y, r: radius, fill: `hsl(${hue} 55% 48%)` }));
  for (let nth = 0; nth < 3; nth += 1) {
    const part = (seed >>> (8 * nth)) & 255;
    const at = y - radius + ((nth + 0.3 + (part % 16) / 40) / 3) * 2 * radius;
    bands.append(shape("ellipse", {
      cx: x + ((part % 9) - 4) * (radius / 14), cy: at, rx: radius * 1.2, ry: radius * (0.07 + (part % 5) / 40),
      fill: `hsl(${(hue + 30 + part / 2) % 360} 60% ${58 + (part % 20)}%)`,
    }));
  }
  const ring = (r, dx, dy) => `M${x + dx - r} ${y + dy}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
  bands.append(shape("path", { "fill-rule": "evenodd", fill: "#000000", "fill-opacity": 0.3, d: ring(radius * 1.5, 0, 0) + ring(radius * 1.1, -radius * 0.35, -radius * 0.3) })); // its night
  return [clip, bands];
}

function planet(one) {
  const picture = shape("svg", { viewBox: "0 0 48 48", width: 48, height: 48, class: "planet", "aria-hidden": "true" });
  picture.append(...planetParts(one.fullName, 24, 24, 17));
  if (one.forkOf) picture.append(shape("ellipse", { class: "ring", cx: 24, cy: 24, rx: 23, ry: 6, transform: "rotate(-18 24 24)" })); // it came out of another
  return picture;
}

// ── universes ──

const shownUniverses = { number: 0, next: null, text: "" };

function universeItem(one, me) {
  const item = element("li");
  const told = element("div");
  const name = element("strong");
  name.append(recordLink("universe", one.fullName, one.name || one.id, one.namespace));
  told.append(name, " ", element("span", one.visibility, "kind"));
  if (one.description) told.append(element("div", one.description));
  const from = one.forkOf ? `fork from tick ${numberText(one.forkOf.snapshotTick)}` : "";
  told.append(element("div", [universeFacts(one), from, one.author === me ? "yours" : `by ${personName(one.author)}`].filter(Boolean).join(" · "), "soft"));
  item.append(planet(one), told);
  return item;
}

async function universesAsked(isMore) {
  const [whose, me] = [byId("universes-whose").value, await ownDid()];
  const wanted = new URLSearchParams({ limit: UNIVERSES_AT_ONCE, sort_by: byId("universes-sort").value });
  if (whose === "own") wanted.set("author", me);
  if (whose === "public") wanted.set("publicOnly", "true");
  if (isMore) wanted.set("cursor", shownUniverses.next);
  return { wanted, me };
}

async function showUniverses(isMore = false) {
  const number = shownUniverses.number += 1;
  byId("universes").setAttribute("aria-busy", "true");
  try {
    const { wanted, me } = await universesAsked(isMore);
    const [page, totals] = await Promise.all([getExact(`/api/universes?${wanted}`), get("/api/multiverse/stats"), learnNames()]);
    if (number !== shownUniverses.number) return; // something else was chosen
    const text = `${wanted} ${JSON.stringify([page.universes, [...PERSONS], totals])}`;
    if (text === shownUniverses.text) return; // nothing is new, and somebody may be reading
    shownUniverses.text = text;
    const items = page.universes.map((one) => universeItem(one, me));
    if (isMore) byId("universes").append(...items);
    else redraw(byId("universes"), items);
    if (isMore && items[0]) items[0].querySelector("a").focus();
    shownUniverses.next = page.next ?? null;
    byId("universes-more").hidden = shownUniverses.next === null;
    say("universes-said", byId("universes").children.length ? totalsText(totals) : "None is known here yet. Make one below, or let a game save into this node: what a peer shares arrives by itself.");
  } catch (error) {
    if (number !== shownUniverses.number) return;
    shownUniverses.text = "";
    byId("universes").replaceChildren();
    byId("universes-more").hidden = true;
    say("universes-said", error.message, true);
  } finally {
    if (number === shownUniverses.number) byId("universes").setAttribute("aria-busy", "false");
  }
}

function totalsText(totals) {
  const counts = [
    [totals.universeCount, "universe"], [totals.totalSnapshots, "snapshot"], [totals.canonicalEvents, "event"], [totals.passageCount, "passage"], [totals.playerCount, "player"],
  ];
  return `Known here: ${counts.filter(([count], at) => count || at < 2).map(([count, word]) => counted(count, word)).join(", ")}.`;
}

// Who may read a new one: everybody, nobody else, or those of an area this node may write to.
function showReaders(spaces) {
  const select = byId("universe-readers");
  const chosen = select.value;
  const open = spaces.filter((one) => one.can_publish && !["commons", "private"].includes(one.name));
  const options = [["public", "everybody"], ["private", "nobody but you"], ...open.map((one) => [one.did, `those of ${one.name}`])];
  select.replaceChildren(...options.map(([value, text]) => Object.assign(element("option", text), { value })));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
  tellReaders();
}

function tellReaders() {
  byId("readers-said").textContent = byId("universe-readers").value === "public"
    ? "What was public stays so: others may have kept it. It can be forked into one that is for you alone."
    : "It stays with whom it is made for: to give it to others, fork it.";
}

async function makeUniverse(event) {
  event.preventDefault();
  const readers = byId("universe-readers").value;
  const body = { name: byId("universe-name").value.trim() };
  const [id, description] = [byId("universe-id").value.trim(), byId("universe-description").value.trim()];
  if (id) body.id = id;
  if (description) body.description = description;
  Object.assign(body, ["public", "private"].includes(readers) ? { visibility: readers } : { namespace: readers });
  byId("universe-make").disabled = true;
  try {
    const { universe, state } = await post("/api/universe", body);
    byId("universe-form").reset();
    tellReaders();
    say("universe-said", `${universe.name} is ${state === "created" ? "made" : "there"}.`);
    location.hash = recordHash("universe", universe.fullName, universe.namespace);
    await showUniverses();
  } catch (error) {
    say("universe-said", error.message, true);
  } finally {
    byId("universe-make").disabled = false;
  }
}

// ── players ──

const shownPlayers = { number: 0, next: null, text: "" };

async function showPlayers(isMore = false) {
  const number = shownPlayers.number += 1;
  const wanted = new URLSearchParams({ limit: PLAYERS_AT_ONCE, ...(isMore ? { cursor: shownPlayers.next } : {}) });
  try {
    const [page, me] = await Promise.all([get(`/api/players?${wanted}`), ownDid(), learnNames()]);
    const text = `${wanted} ${JSON.stringify([page.players, [...PERSONS]])}`;
    if (number !== shownPlayers.number || text === shownPlayers.text) return;
    shownPlayers.text = text;
    const items = page.players.map((one) => playerItem(one, me));
    if (isMore) byId("players").append(...items);
    else show("players", items, "None is known here yet. From a terminal: panspermia player register");
    if (isMore && items[0]) items[0].querySelector("a").focus();
    shownPlayers.next = page.next ?? null;
    byId("players-more").hidden = shownPlayers.next === null;
  } catch (error) {
    show("players", [element("li", error.message, "bad")]);
  }
}

// ── what arrives meanwhile, where nobody reads on ──

let waitingForMultiverse;
function showMultiverseAgain() {
  if (document.hidden) return;
  waitingForMultiverse ??= setTimeout(() => {
    waitingForMultiverse = undefined;
    const isFree = (id, most) => byId(id).querySelectorAll("li").length <= most && !byId(id).contains(document.activeElement);
    lookForMore();
    if (isFree("universes", UNIVERSES_AT_ONCE)) showUniverses();
    if (isFree("passages", PASSAGES_SHOWN)) showPassages();
    if (isFree("players", PLAYERS_AT_ONCE)) showPlayers();
  }, AGAIN_MS);
}

for (const id of ["universes-whose", "universes-sort"]) byId(id).addEventListener("change", () => showUniverses());
byId("universes-more").addEventListener("click", () => showUniverses(true));
byId("universes-form").addEventListener("submit", (event) => event.preventDefault());
byId("universe-form").addEventListener("submit", makeUniverse);
byId("universe-readers").addEventListener("change", tellReaders);
byId("players-more").addEventListener("click", () => showPlayers(true));
showUniverses();
showPassages();
showPlayers();
