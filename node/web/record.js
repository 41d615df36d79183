// One genome, seed, lineage, challenge, universe, passage or player, at an address of its own (#genome/…). Text of peers goes in as text.
"use strict";

const RECORDS = { genome: "genomes", seed: "seeds", lineage: "lineages" };
const PERSONS = new Map(); // did:key -> what this person calls them
const opened = { number: 0, from: null };

function recordHash(kind, full, namespace = "commons") {
  const where = namespace === "commons" ? "" : `?in=${encodeURIComponent(namespace)}`;
  return `#${kind}/${encodeURIComponent(full)}${where}`;
}

function recordLink(kind, full, text, namespace) {
  const link = element("a", text);
  link.href = recordHash(kind, full, namespace);
  return link;
}

// Its address in the API, and what is asked with every part of it.
function recordPath(kind, full, namespace, part = "", more = {}) {
  const query = new URLSearchParams(more);
  if (namespace !== "commons") query.set("namespace", namespace);
  return `/api/registry/${RECORDS[kind]}/${encodeURIComponent(full)}${part}${query.size ? `?${query}` : ""}`;
}

async function learnNames() {
  const { names } = await get("/api/names?limit=1000");
  PERSONS.clear();
  for (const one of names) PERSONS.set(one.author, one.name);
}

const personName = (did) => PERSONS.get(did) || shortKey(did);
const madeBy = (one) => (one.author === "anonymous" ? "" : one.author); // the API's word for nobody
const starsOf = (rating) => (rating?.count ? `${rating.average.toFixed(1)} of 5 (${rating.count})` : "");

// ── its parts ──

function listedFacts(pairs) {
  const list = element("dl", undefined, "said");
  for (const [name, value] of pairs) {
    if (value === "" || value === null || value === undefined || value.length === 0) continue;
    const told = element("dd");
    told.append(...(Array.isArray(value) ? value.flatMap((one, at) => (at ? [", ", one] : [one])) : [String(value)]));
    list.append(element("dt", name), told);
  }
  return list;
}

function factsOf(kind, one) {
  const link = (what, id) => (id ? recordLink(what, id, id.length === 64 ? `${id.slice(0, 16)}…` : id, one.namespace) : "");
  return listedFacts([
    ["made by", [madeBy(one), one.anonymous ? "handed in by a stranger" : ""].filter(Boolean).join(", ")],
    ["signed by", `${PERSONS.get(one.author_did) || ""} ${one.author_did}`.trim()],
    ["also by", (one.also_by || []).map(personName).join(", ")],
    ["id", one.id],
    ["format", one.format ? `${one.format}, ${size(one.size)}${one.file ? `, ${one.file}` : ""}` : ""],
    ["licence", one.license], ["tags", one.tag_list.join(", ")],
    ["fitness, as claimed", one.fitness_score || ""], ["offspring", one.offspring_count || ""],
    ["largest population", one.max_pop || ""], ["time of a tick", one.avg_tick_time || ""], ["how it did", one.performance_summary],
    ["level", one.civilization_level], ["state", kind === "lineage" ? (one.is_extinct ? "extinct" : "alive") : ""],
    ["tick", one.tick || ""], ["since tick", one.start_tick || ""],
    ["lineage", one.lineage_id ? [link("lineage", one.lineage_id)] : ""],
    ["descends from", one.parent ? [link("lineage", one.parent)] : ""],
    ["parents", (one.parents || []).map((id) => link("genome", id))],
    ["best genome", one.best_genotype ? [link("genome", one.best_genotype)] : ""],
    ["rating", starsOf(one.rating)], ["downloads", kind === "lineage" ? "" : one.downloads],
    ["published", `${one.created_at.slice(0, 10)}, changed ${one.updated_at.slice(0, 10)}`],
  ]);
}

const PICTURES = { SVG: "/picture", PNG: "/picture.png" };

// As a data: address, so that it comes with the token where one is needed. In an <img> nothing runs.
async function pictureOf(path) {
  const drawn = await (await ask("GET", path, undefined, "image/*")).blob();
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(drawn);
  });
}

// By the first of `ways` that draws it, which it gives; null where none does.
async function addPicture(place, kind, one, full, className, alt, ways = [PICTURES.SVG]) {
  if (kind !== "genome") return null;
  for (const way of ways) {
    try {
      const picture = element("img", undefined, className);
      picture.alt = alt;
      picture.src = await pictureOf(recordPath(kind, full, one.namespace, way));
      place.prepend(picture);
      return way;
    } catch { /* nothing draws it so */ }
  }
  return null;
}

// With buttons for whoever wants it as a file. An SVG holds fewer cells than a PNG.
async function addLargePicture(place, saves, kind, one, full) {
  const drawn = await addPicture(place, kind, one, full, "drawn", `Picture of ${one.name}`, Object.values(PICTURES));
  for (const [type, way] of Object.entries(PICTURES)) {
    if (drawn === null || (drawn === PICTURES.PNG && way !== drawn)) continue;
    const name = `${one.id.slice(0, 16)}.${type.toLowerCase()}`;
    saves.append(" ", button(`Picture as ${type}`, "", () => download(recordPath(kind, full, one.namespace, way), name)));
  }
}

async function saveBytes(path, name) {
  const link = element("a");
  link.href = URL.createObjectURL(await (await ask("GET", path, undefined, "*/*")).blob()); // or it says why not
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

async function download(path, name) {
  try {
    await saveBytes(path, name);
  } catch (error) {
    byId("one-said").textContent = error.message;
  }
}

// What is said of one evaluation: who found the same, and, loudly, who says something else.
function evaluationItem(one) {
  const item = element("li");
  const result = one.result === null ? one.ending || "no answer that counts" : String(one.result);
  item.append(element("strong", result), document.createTextNode(` ${one.state}, by ${one.module.split("/").pop()} ${one.version}, seed ${one.seed}, ${one.ticks} ticks`));
  if (one.attestors.length) item.append(element("div", `attested by ${one.attestors.map(personName).join(", ")}`, "soft"));
  for (const word of one.contradictions) {
    const said = word.result === null ? word.ending : word.result;
    item.append(element("div", `${personName(word.author)} ${word.claimed ? "claims" : "found"} something else: ${said}`, "bad"));
  }
  return item;
}

// ── trends and ratings, of modules too ──

function spark(title, values, words) {
  const most = Math.max(...values);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${values.length} 10`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${title}: ${words}`);
  svg.setAttribute("class", "spark");
  values.forEach((value, at) => {
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const height = value ? Math.max(1, (10 * value) / most) : 0.3;
    for (const [name, set] of Object.entries({ x: at + 0.1, y: 10 - height, width: 0.8, height })) bar.setAttribute(name, set);
    svg.append(bar);
  });
  return svg;
}

function trendParts(found) {
  const titles = { downloads: found.kind === "module" ? "installed by" : "fetched by", ratings: "rated by", dependants: "built on by" };
  const parts = Object.entries(titles).flatMap(([key, title]) => {
    const values = found.points.map((one) => one[key]);
    const sum = values.reduce((all, one) => all + one, 0);
    const rest = [[found.before[key], "before"], [found.ahead[key], "by a clock that is wrong"], [found.undated[key], "at an unknown time"]];
    const words = [`${sum} in ${values.length} ${found.step}s`, ...rest.filter(([count]) => count).map(([count, when]) => `${count} ${when}`)].join(", ");
    return sum || rest.some(([count]) => count) ? [element("p", `${title} ${words}`, "soft"), spark(title, values, words)] : [];
  });
  return parts.length ? [element("h3", "Over time, each signer once"), ...parts] : [];
}

function ratingItem(one) {
  const item = element("li", `${one.stars} of 5 by ${personName(one.author)}, ${one.updated_at.slice(0, 10)}`);
  if (one.review) item.append(element("div", one.review));
  return item;
}

let fieldsMade = 0;
function field(form, text, input) {
  const label = element("label", text);
  input.id = label.htmlFor = `field-${fieldsMade += 1}`;
  form.append(label, input);
  return input;
}

// What people say of it, and a form to say something; `path` is the record's, with its query.
function ratingParts(rated, path, name) {
  const place = element("div");
  const list = element("ul", undefined, "list");
  const said = element("p");
  said.setAttribute("role", "status");
  const draw = (found) => list.replaceChildren(...found.ratings.slice(0, 50).map(ratingItem));
  const form = element("form");
  form.dataset.acts = "";
  const stars = field(form, "Your stars", element("select"));
  stars.append(...[5, 4, 3, 2, 1].map((count) => Object.assign(element("option", `${count} of 5`), { value: count })));
  const review = field(form, "Why, if you like: everybody can read it", element("textarea"));
  review.maxLength = 4000;
  const row = element("p");
  row.append(element("button", `Rate ${name}`));
  form.append(row);
  const [start, query] = path.split("?");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      draw(await post(`${start}/ratings${query ? `?${query}` : ""}`, { stars: Number(stars.value), review: review.value.trim() }));
      tell(said, "Said, and signed.");
    } catch (error) {
      tell(said, error.message, true);
    }
  });
  draw(rated);
  place.append(...(rated.count ? [element("h3", `Rated ${starsOf(rated)}`)] : [element("h3", "Nobody rated it yet")]), list, form, said);
  fitLock(place);
  return [place];
}

function tell(place, text, isBad) {
  place.textContent = text;
  place.className = isBad ? "bad" : "soft";
}

// ── the record itself ──

async function drawRecord(kind, full, namespace) {
  const of = (part) => recordPath(kind, full, namespace, part);
  const isBytes = kind !== "lineage";
  const none = Promise.resolve(null);
  const [one, rated, trend, fitness] = await Promise.all([
    getExact(of("")), get(of("/ratings")), get(of("/trends")),
    kind === "genome" ? getExact(of("/attestations")) : none, learnNames(),
  ]);
  const parts = [element("p", `${kind} by ${personName(one.author_did)}`, "soft")];
  if (one.description) parts.push(element("p", one.description));
  const row = element("p");
  if (isBytes) {
    const name = one.file || `${one.id.slice(0, 16)}`;
    row.append(button(`Download ${name}, ${size(one.size)}`, "", () => download(of("/download"), name)));
    const said = element("p", "", "bad");
    said.id = "one-said";
    said.setAttribute("role", "status");
    parts.push(row, said);
  }
  parts.push(factsOf(kind, one));
  if (fitness?.evaluations.length) parts.push(...listed("Run again, by whom", fitness.evaluations.map(evaluationItem)));
  if (one.legends?.length) {
    parts.push(...listed("Legends", one.legends.map((legend) => {
      const item = element("li", `tick ${legend.tick}: ${legend.reason} `);
      if (legend.genome) item.append(recordLink("genome", legend.genome, `${legend.genome.slice(0, 16)}…`, namespace));
      return item;
    })));
  }
  parts.push(...trendParts(trend), ...ratingParts(rated, of(""), one.name || one.id));
  if (one.card) parts.push(element("h3", "Card"), element("pre", one.card));
  if (one.config) parts.push(element("h3", "Configuration"), element("pre", one.config));
  return { one, parts, saves: row };
}

const DRAWN = {
  challenge: (full, namespace) => drawChallenge(full, namespace),
  universe: (full, namespace) => drawUniverse(full, namespace),
  passage: (full) => drawPassage(full),
  player: (full, namespace) => drawPlayer(full, namespace),
};

async function showRecord() {
  const found = /^#(genome|seed|lineage|challenge|universe|passage|player)\/([^?]+)(?:\?in=(.+))?$/.exec(location.hash);
  const number = opened.number += 1;
  byId("one").hidden = !found;
  if (!found) return;
  byId("one-head").textContent = "…";
  byId("one-body").replaceChildren();
  byId("one").setAttribute("aria-busy", "true");
  try {
    const [kind, full, namespace] = [found[1], decodeURIComponent(found[2]), decodeURIComponent(found[3] || "commons")];
    const { one, parts, saves } = await (DRAWN[kind] ? DRAWN[kind](full, namespace) : drawRecord(kind, full, namespace));
    if (number !== opened.number) return; // somebody went on
    byId("one-head").textContent = one.name || one.id;
    const drawn = element("div"); // of this record, whichever is shown by the time it comes
    byId("one-body").replaceChildren(drawn, ...parts);
    fitLock(byId("one-body"));
    addLargePicture(drawn, saves, kind, one, full);
  } catch (error) {
    if (number !== opened.number) return;
    byId("one-head").textContent = "It cannot be shown";
    byId("one-body").replaceChildren(element("p", error.message, "bad"));
  }
  byId("one").setAttribute("aria-busy", "false");
  byId("one-head").focus();
}

// Back to where it was opened; the address says nothing of it any more.
function closeRecord() {
  const hash = location.hash;
  history.pushState(null, "", location.pathname);
  showRecord();
  const from = [...document.querySelectorAll("a[href^='#']")].find((one) => one.getAttribute("href") === hash);
  (from || byId("life-kind")).focus();
}

addEventListener("hashchange", showRecord);
byId("one-close").addEventListener("click", closeRecord);
