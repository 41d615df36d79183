// One universe, at an address of its own (#universe/…): its head, its timeline, what can be done at a tick.
"use strict";

const TIMELINE_PAGE = 10000; // entries in one answer
const TIMELINE_MAX = 50000; // entries that a page draws
const LISTED_AT_ONCE = 30;
const VISIBILITIES = { public: "everybody may read it", shared: "for those who may read its namespace", private: "for nobody but its owner" };

const universePath = (full) => `/api/universe/${encodeURIComponent(full)}`;
const day = (ms) => new Date(ms).toISOString().slice(0, 10);
const minute = (ms) => (ms ? `${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC` : "never");
const idOf = (full) => full.slice(full.indexOf("/") + 1);
const shortOf = (full) => idOf(full).replace(/[0-9a-f-]{24,}$/, (digits) => `${digits.slice(0, 8)}…`); // made up by a node
const ownerOf = (full) => full.slice(0, full.indexOf("/"));
const inNamespace = (namespace, more = {}) => {
  const query = new URLSearchParams(more);
  if (namespace !== "commons") query.set("namespace", namespace);
  return query.size ? `?${query}` : "";
};

function universeFacts(one) {
  return [
    counted(one.snapshotCount, "snapshot"), one.canonicalEventCount ? counted(one.canonicalEventCount, "event") : "",
    typeof one.lastTick === "number" || typeof one.lastTick === "string" ? `last tick ${numberText(one.lastTick)}` : "",
    one.lastSnapshotAt ? `saved ${minute(one.lastSnapshotAt)}` : "", one.bytes ? size(one.bytes) : "",
  ].filter(Boolean).join(" · ");
}

// All of it, up to so many that a page still goes on; ticks that JavaScript cannot hold stay text.
async function timelineOf(path, namespace) {
  const found = { entries: [], isWhole: true, isSure: true, lastUpdated: 0 };
  for (let cursor = null; ;) {
    const query = inNamespace(namespace, { limit: TIMELINE_PAGE, bare: true, ...(cursor ? { cursor } : {}) });
    const text = await (await ask("GET", `${path}/timeline${query}`)).text();
    let page = JSON.parse(text);
    if (page.entries.some((one) => one.tick > Number.MAX_SAFE_INTEGER)) page = JSON.parse(text, exact);
    for (const one of page.entries) found.entries.push(one);
    cursor = page.next ?? null;
    found.isWhole = cursor === null;
    found.isSure &&= page.whole !== false;
    if (cursor === null || found.entries.length >= TIMELINE_MAX) return found;
  }
}

// ── opening a state ──

// With what is fetched of it told in `told.bar` and `told.said`.
async function openState(of, tick, id, told) {
  const near = await getExact(`${of.path}/nearest/${tick}${inNamespace(of.namespace, id ? { snapshot: id } : {})}`);
  if (!near.held && token()) await fetchState(near, of.namespace, told);
  const entry = near.entry;
  const query = inNamespace(of.namespace, { snapshot: entry.id, raw: true });
  await saveFile(`${of.path}/snapshot/${entry.tick}${query}`, `${idOf(near.fullName)}-${entry.filename}`.replace(/[^\w.-]+/g, "_"));
  return near;
}

async function fetchState(near, namespace, told) {
  const stop = new AbortController();
  const end = button("Stop", "Stop fetching it", () => stop.abort());
  told.bar.max = near.entry.fileSize || 1;
  told.bar.value = 0;
  told.bar.hidden = false;
  told.said.after(end);
  tell(told.said, "asking for what is missing …");
  try {
    await story(`/api/blobs/${near.blob}/fetch`, { universe: near.fullName, ...(namespace ? { namespace } : {}) }, (_, line) => {
      if (!line.total) return;
      told.bar.max = line.total;
      told.bar.value = line.done;
      tell(told.said, `${size(line.done)} of ${size(line.total)} are here${line.waits ? ` · ${line.waits}` : ""}`);
    }, stop.signal);
  } finally {
    told.bar.hidden = true;
    end.remove();
  }
}

// Straight to the disk where reading needs no token: a state may be larger than what a tab can hold.
async function saveFile(path, name) {
  const isOpen = (await fetch(path, { method: "HEAD" }).catch(() => null))?.ok;
  const link = element("a");
  link.download = name;
  link.href = isOpen ? path : URL.createObjectURL(await (await ask("GET", path, undefined, "*/*")).blob()); // or it says why not
  link.click();
  if (!isOpen) setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function saidLine() {
  const said = element("p");
  said.setAttribute("role", "status");
  return said;
}

function progressBar(label) {
  const bar = element("progress");
  bar.setAttribute("aria-label", label);
  bar.hidden = true;
  return bar;
}

// A place for one field, beside others as far as there is room.
function cellOf(form) {
  const cell = element("div");
  form.append(cell);
  return cell;
}

function openForm(of) {
  const form = element("form", undefined, "fields");
  const tick = field(cellOf(form), "Open a tick: the last state at or before it", element("input"));
  Object.assign(tick, { required: true, inputMode: "numeric", pattern: "[0-9]{1,19}", maxLength: 19, autocomplete: "off", title: "a whole number, 0 or more" });
  const go = element("button", "Download it");
  const told = { said: saidLine(), bar: progressBar("what is fetched of it") };
  form.append(go, told.bar, told.said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    tell(told.said, "looking for it …");
    try {
      const near = await openState(of, tick.value.trim(), "", told);
      const asked = String(near.entry.tick) === tick.value.trim().replace(/^0+(?=\d)/, "");
      of.timeline.chooseSnapshot(near.entry.id);
      tell(told.said, `Tick ${numberText(near.entry.tick)}${asked ? "" : ", the last before it"}: ${size(near.entry.fileSize)}.`);
    } catch (error) {
      tell(told.said, error.message, true);
    } finally {
      go.disabled = false;
    }
  });
  return form;
}

// ── what stands at a tick, and what can be done there ──

function entryFacts(one) {
  return [
    `tick ${numberText(one.tick)}`, one.day ? `day ${one.day}` : "", minute(one.timestamp), one.fileSize ? size(one.fileSize) : "",
    one.importance ? `importance ${one.importance}` : "",
  ].filter(Boolean).join(" · ");
}

function chosenParts(of, one) {
  const head = element("h4", entryTitle(one));
  head.tabIndex = -1;
  const parts = [head, element("p", entryFacts(one), "soft")];
  if (one.description) parts.push(element("p", one.description));
  const names = [["who", one.entities], ["souls", one.souls], ["parents", one.parents]].filter(([, list]) => list?.length);
  if (names.length) parts.push(listedFacts(names.map(([name, list]) => [name, list.join(", ")])));
  const before = of.timeline.entries.some((each) => each.snapshot && each.at <= Number(one.tick));
  const here = of.timeline.entries.some((each) => each.snapshot && each.at === Number(one.tick));
  if (!one.snapshot) parts.push(element("p", here ? "The state that was saved at this tick opens." : before ? "Nothing was saved here: the state before it opens." : "Nothing was saved here or before.", "soft"));
  if (!before) return parts;
  const told = { said: saidLine(), bar: progressBar("what is fetched of it") };
  const at = `tick ${numberText(one.tick)}`;
  const open = button("Download", `Download the state of ${at}`, async () => {
    open.disabled = true;
    tell(told.said, "");
    try {
      await openState(of, one.tick, one.snapshot ?? "", told);
      tell(told.said, "It is downloaded.");
    } catch (error) {
      tell(told.said, error.message, true);
    }
    open.disabled = false;
  });
  const row = element("p", undefined, "row");
  row.append(open);
  const fork = one.canFork || !one.snapshot ? forkForm(of, one) : null;
  if (fork) {
    const begin = button("Fork here", `Fork it at ${at}`, () => { fork.hidden = !fork.hidden; if (!fork.hidden) fork.querySelector("input").focus(); });
    begin.dataset.acts = "";
    row.append(begin);
  }
  return [...parts, row, ...(fork ? [fork] : []), told.bar, told.said];
}

function forkForm(of, one) {
  const form = element("form");
  form.hidden = true;
  const name = field(form, "What to call the fork", element("input"));
  Object.assign(name, { required: true, maxLength: 200, autocomplete: "off", value: `${of.one.name}, from tick ${one.tick}`.slice(0, 200) });
  const whom = field(form, "Who may read it", element("select"));
  whom.append(...[["", "who may read this one"], ["private", "nobody but you"]].map(([value, text]) => Object.assign(element("option", text), { value })));
  const row = element("p");
  row.append(element("button", "Make the fork"));
  const said = saidLine();
  form.append(row, said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const from = one.snapshot ? { snapshot: one.snapshot } : { snapshotTick: one.tick };
      const body = { name: name.value.trim(), ...from, ...(whom.value ? { visibility: whom.value } : {}) };
      const { universe } = await post(`${of.path}/fork${inNamespace(of.namespace)}`, body);
      location.hash = recordHash("universe", universe.fullName, universe.namespace);
      showUniverses();
    } catch (error) {
      tell(said, error.message, true);
    }
  });
  return form;
}

// ── a state from a file ──

// A browser that sends a file holds none of it; how far it is, only this way of asking tells.
function sendFile(path, file, encoding, type, progress) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.responseType = "json";
    if (token()) request.setRequestHeader("authorization", `Bearer ${token()}`);
    request.setRequestHeader("content-type", type);
    if (encoding) request.setRequestHeader("content-encoding", encoding);
    request.upload.addEventListener("progress", (event) => progress(event.loaded, event.total));
    request.addEventListener("error", () => failed(new Problem({ detail: "the node broke off: is it running, and is the file as it was?" })));
    request.addEventListener("load", () => (request.status < 300 ? done(request.response) : failed(new Problem(request.response || { detail: `it answered ${request.status}` }))));
    request.send(file);
  });
}

// As its name says; what is packed is unpacked on the way in, so that it shares what is the same with the others.
function packingOf(file) {
  const [, bare, packed] = /^(.*?)(\.gz|\.zst)?$/i.exec(file.name);
  const type = /\.json$/i.test(bare) ? "application/json" : (!packed && file.type) || "application/octet-stream";
  return { encoding: { ".gz": "gzip", ".zst": "zstd" }[packed?.toLowerCase()] || "", type };
}

function uploadForm(of) {
  const form = element("form", undefined, "drop");
  form.dataset.acts = "";
  form.append(element("strong", "Keep a state"));
  const fields = element("div", undefined, "fields");
  form.append(fields);
  const tick = field(cellOf(fields), "Tick", element("input"));
  Object.assign(tick, { required: true, inputMode: "numeric", pattern: "[0-9]{1,19}", maxLength: 19, autocomplete: "off" });
  const type = field(cellOf(fields), "Type", element("select"));
  type.append(...[["manual", "saved by hand"], ["auto", "autosave"], ["canonical", "canonical: something happened"]].map(([value, text]) => Object.assign(element("option", text), { value })));
  const happened = element("div", undefined, "fields");
  happened.hidden = true;
  const event = field(cellOf(happened), "What happened: founded, birth, crisis, …", element("input"));
  Object.assign(event, { maxLength: 64, pattern: "[a-z][a-z0-9_:\\-]*", autocomplete: "off" });
  const title = field(cellOf(happened), "A line about it", element("input"));
  title.maxLength = 200;
  form.append(happened);
  type.addEventListener("change", () => { happened.hidden = type.value !== "canonical"; });
  const input = field(form, "Drop its file here, or choose it: bytes of any kind; .gz and .zst are unpacked", element("input"));
  input.type = "file";
  const told = { said: saidLine(), bar: progressBar("what was sent of it") };
  form.append(told.bar, told.said);
  const take = async (files) => {
    const [file] = files;
    if (!file) return;
    if (!tick.value) tick.value = /(\d{1,19})\D*$/.exec(file.name.replace(/\.\w+$/, ""))?.[1] ?? "";
    if (!form.reportValidity()) return tell(told.said, "At which tick was it taken?", true);
    const query = { tick: tick.value, type: type.value };
    if (type.value === "canonical" && event.value) query.event = JSON.stringify({ type: event.value, title: title.value || event.value });
    const { encoding, type: media } = packingOf(file);
    told.bar.hidden = false;
    try {
      const kept = await sendFile(`${of.path}/snapshot${inNamespace(of.namespace, query)}`, file, encoding, media, (sent, total) => {
        told.bar.max = total;
        told.bar.value = sent;
        tell(told.said, `${size(sent)} of ${size(total)} sent`);
      });
      await of.again(kept.id);
      tell(told.said, `Tick ${numberText(kept.tick)} ${kept.known ? "was there already" : "is kept"}: ${size(kept.fileSize)}.`);
      tick.value = title.value = "";
    } catch (error) {
      tell(told.said, error.message, true);
    }
    told.bar.hidden = true;
    input.value = "";
  };
  takesFiles(form, take);
  input.addEventListener("change", () => take([...input.files]));
  form.addEventListener("submit", (submitted) => submitted.preventDefault());
  return form;
}

// ── the same as the picture, as a list ──

function timelineList(of) {
  const place = element("details");
  const [head, list, more] = [element("summary"), element("ul", undefined, "list"), element("button", "Show more")];
  const kind = element("select");
  kind.setAttribute("aria-label", "What is listed");
  kind.append(...[["", "everything"], ["event", "what happened"], ["travel", "who came and went"]].map(([value, text]) => Object.assign(element("option", text), { value })));
  more.type = "button";
  place.append(head, kind, list, more);
  let seen = [];
  const wanted = () => seen.filter((one) => !kind.value || one.lane === kind.value);
  const item = (one) => {
    const made = element("li");
    const go = button(`tick ${numberText(one.tick)}`, "", () => { of.timeline.choose(of.timeline.entries.indexOf(one)); of.card.querySelector("h4").focus(); });
    made.append(go, ` ${entryTitle(one)}`, element("div", [minute(one.timestamp), one.fileSize ? size(one.fileSize) : "nothing was saved"].join(" · "), "soft"));
    return made;
  };
  const add = (from) => {
    const all = wanted();
    const next = all.slice(from, from + LISTED_AT_ONCE).map(item);
    list.append(...next);
    more.hidden = from + LISTED_AT_ONCE >= all.length;
    return next[0];
  };
  const draw = () => { list.replaceChildren(); if (place.open) add(0); };
  kind.addEventListener("change", draw);
  place.addEventListener("toggle", draw);
  more.addEventListener("click", () => add(list.children.length)?.querySelector("button").focus());
  const show = (entries, isPart) => {
    seen = entries.toReversed();
    head.textContent = `As a list: ${counted(entries.length, "entry", "entries")}${isPart ? " in sight" : ""}, the last tick first`;
    if (!list.contains(document.activeElement)) draw();
  };
  return { place, show };
}

// ── the universe itself ──

function drawTimeline(of, found) {
  of.timeline = new Timeline(found.entries, (one) => { of.card.replaceChildren(...chosenParts(of, one)); fitLock(of.card); }, of.list.show);
  of.picture.replaceChildren(
    ...(found.entries.length ? [of.timeline.place] : [element("p", "Nothing was saved here yet.", "soft")]),
    ...(found.isWhole ? [] : [element("p", `These are the first ${numberText(found.entries.length)}; panspermia universe timeline has them all.`, "bad")]),
    ...(found.isSure ? [] : [element("p", "Its gate signed two receipts with one number, and not all were asked which one counts.", "bad")]),
  );
  of.card.hidden = of.list.place.hidden = !found.entries.length;
  if (found.entries.length) of.timeline.choose(of.timeline.index);
}

// What came of the universe that is open, while somebody looks at it: told, and shown when they want it.
let shownUniverse = null;
async function lookForMore() {
  const of = shownUniverse;
  if (!of?.news.isConnected || of.news.children.length) return;
  const { universe: now } = await getExact(`${of.path}${inNamespace(of.namespace)}`).catch(() => ({ universe: of.one }));
  if (universeFacts(now) === universeFacts(of.one) || of.news.children.length) return;
  of.news.replaceChildren(button("More has come: show it", "", async () => {
    of.news.replaceChildren();
    await of.again().catch((error) => tell(of.news, error.message, true));
    of.timeline.frame.focus();
  }));
}

async function drawUniverse(full, namespace) {
  const path = universePath(full);
  const [{ universe: one, rule }, found, me] = await Promise.all([getExact(`${path}${inNamespace(namespace)}`), timelineOf(path, namespace), ownDid(), learnNames()]);
  const of = { one, path: universePath(one.fullName), namespace: one.namespace, me, picture: element("div"), card: element("div", undefined, "chosen"), facts: element("p", universeFacts(one)), news: saidLine() };
  of.list = timelineList(of);
  drawTimeline(of, found);
  of.again = async (id) => {
    const [{ universe: now }, line] = await Promise.all([getExact(`${of.path}${inNamespace(of.namespace)}`), timelineOf(of.path, of.namespace)]);
    of.one = now;
    of.facts.textContent = universeFacts(now);
    drawTimeline(of, line);
    if (id) of.timeline.chooseSnapshot(id);
    showUniverses();
  };
  shownUniverse = of;
  const isOwn = one.author === me;
  const parts = [
    element("p", `${isOwn ? "your universe" : `universe of ${personName(one.author)}`}, ${one.visibility}: ${VISIBILITIES[one.visibility]}`, "soft"),
    ...(one.description ? [element("p", one.description)] : []),
    of.facts, of.news, element("h3", "Timeline"), of.picture, of.card, of.list.place,
    openForm(of), ...(isOwn ? [uploadForm(of)] : []),
    ...familyParts(of), ...passagesOf(of),
    element("h3", "Which snapshots are kept"), listedFacts(rule.map((line) => line.split(/: (.*)/))),
    element("h3", "About it"), universeDetails(one),
    ...(one.card ? [element("h3", "Card"), element("pre", one.card)] : []),
  ];
  return { one, parts };
}

function universeDetails(one) {
  const from = one.forkOf && one.parent ? [recordLink("universe", one.parent, `${one.parent.split("/").pop()}, tick ${numberText(one.forkOf.snapshotTick)}`)] : "";
  return listedFacts([
    ["forked from", from], ["player", one.ownerId], ["signed by", one.author], ["id", one.id],
    ["lies in", one.namespace], ["tags", (one.tags || []).join(", ")], ["licence", one.license],
    ["made", minute(one.createdAt)], ["settings", one.config ? JSON.stringify(one.config) : ""],
  ]);
}
