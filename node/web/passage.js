// Passages between universes: lists of them, and one with who travels through it. Text of peers goes in as text.
"use strict";

const PASSAGE_STATES = { proposed: "proposed: the other owner has not accepted it", open: "open", closed: "closed", gone: "it leads nowhere: an end was deleted by its owner" };
const PASSAGE_TYPES = ["thread", "bridge", "gate", "confluence"];
const PASSAGES_SHOWN = 10;
const PASSAGES_AT_ONCE = 100;
const DOTS_MAX = 12; // travellers that are drawn in one place

const passagePath = (full) => `/api/passage/${encodeURIComponent(full)}`;
const endText = (full, me) => (ownerOf(full) === me ? `your ${shortOf(full)}` : `${shortOf(full)} of ${personName(ownerOf(full))}`);

// Both ends, and between them what joins them: as thick as it is stable, broken where nobody may go.
function passagePicture(one, width, travellers = []) {
  const middle = width > 200 ? 44 : 14;
  const radius = width > 200 ? 30 : 9;
  const [left, right] = [radius + 4, width - radius - 4];
  const picture = shape("svg", { viewBox: `0 0 ${width} ${2 * middle}`, width, height: 2 * middle, class: `passage ${one.state}`, "aria-hidden": "true" });
  picture.append(
    shape("path", { class: "way", d: `M${left} ${middle}H${right}`, "stroke-width": Math.max(1.5, (one.stability / 100) * (radius / 3)) }),
    ...planetParts(one.source, left, middle, radius), ...planetParts(one.target, right, middle, radius),
  );
  const spots = { source: left, way: (left + right) / 2, target: right };
  for (const [where, at] of Object.entries(spots)) {
    const those = travellers.filter((each) => spotOf(each, one) === where);
    those.slice(0, DOTS_MAX).forEach((each, nth) => {
      const x = at + (nth - (Math.min(those.length, DOTS_MAX) - 1) / 2) * 9;
      picture.append(shape("circle", { class: `traveller ${each.state}`, cx: x, cy: where === "way" ? middle : middle + radius + 7, r: 4 }));
    });
  }
  return picture;
}

function spotOf(one, passage) {
  if (one.state !== "in") return "way";
  return one.universe === passage.source ? "source" : one.universe === passage.target ? "target" : "";
}

function passageItem(one, me) {
  const item = element("li");
  const told = element("div");
  const name = element("strong");
  name.append(recordLink("passage", one.fullName, one.name || `${shortOf(one.source)} – ${shortOf(one.target)}`));
  told.append(name, " ", element("span", one.state, `kind ${one.state}`));
  told.append(element("div", `${endText(one.source, me)} – ${endText(one.target, me)}`));
  const by = one.createdBy || (ownerOf(one.fullName) === me ? "you" : personName(ownerOf(one.fullName)));
  told.append(element("div", `made ${minute(one.createdAt)} by ${by} · ${shortOf(one.fullName)}`, "soft"));
  told.append(element("div", [one.type, `stability ${one.stability} of 100`, one.lastMaintenance ? `looked after ${minute(one.lastMaintenance)}` : ""].filter(Boolean).join(" · "), "soft"));
  item.append(passagePicture(one, 96), told);
  return item;
}

const passagesPage = (query = {}) => get(`/api/passages?${new URLSearchParams({ limit: PASSAGES_AT_ONCE, ...query })}`);

// A page of them, and under it the next one as soon as somebody asks for it.
function passagesList(page, query, me) {
  const place = element("div");
  const draw = ({ passages, next }) => {
    const [list, more] = inPortions(passages, (one) => passageItem(one, me), PASSAGES_SHOWN);
    list.className = "list pictured";
    place.append(list, more);
    if (!next) return;
    const row = element("p");
    const said = element("span", "", "bad");
    row.append(button("Show those after these", "", async () => {
      try {
        const found = await passagesPage({ ...query, cursor: next });
        row.remove();
        draw(found);
      } catch (error) {
        said.textContent = error.message;
      }
    }), said);
    place.append(row);
  };
  draw(page);
  return place;
}

async function showPassages() {
  try {
    const [page, me] = await Promise.all([passagesPage(), ownDid(), learnNames()]);
    const { passages } = page;
    const text = JSON.stringify([passages, [...PERSONS]]);
    if (text === byId("passages").dataset.text) return; // nothing is new, and somebody may be reading
    byId("passages").dataset.text = text;
    byId("passages").replaceChildren(...(passages.length ? [passagesList(page, {}, me)] : [element("p", "None is known here yet. On the page of your universe you propose one.", "soft")]));
  } catch (error) {
    byId("passages").replaceChildren(element("p", error.message, "bad"));
  }
}

// ── of one universe ──

function passagesOf(of) {
  const place = element("div");
  const draw = async () => {
    const query = { universeId: of.one.fullName };
    const page = await passagesPage(query);
    place.replaceChildren(...(page.passages.length ? [passagesList(page, query, of.me)] : [element("p", "None leads out of it yet.", "soft")]));
  };
  const again = () => draw().catch((error) => place.replaceChildren(element("p", error.message, "bad")));
  again();
  return [element("h3", "Passages"), place, ...(of.one.author === of.me ? [proposeForm(of, again)] : [])];
}

function proposeForm(of, again) {
  const more = element("details");
  const form = element("form");
  more.dataset.acts = "";
  more.append(element("summary", "Propose a passage from here"), form);
  const target = field(form, "To which universe: its id, or its owner’s name, a slash and the id", element("input"));
  Object.assign(target, { required: true, maxLength: 256, autocomplete: "off", spellcheck: false });
  const type = field(form, "What it is", element("select"));
  type.append(...PASSAGE_TYPES.map((text) => element("option", text)));
  const arrivals = arrivalsField(form);
  const row = element("p");
  row.append(element("button", "Propose it"));
  const said = saidLine();
  form.append(row, said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = { sourceUniverseId: of.one.fullName, targetUniverseId: target.value.trim(), type: type.value, arrivals: arrivals.value };
    try {
      const { passage } = await post("/api/passage", body);
      tell(said, passage.state === "open" ? "It is open." : "It is proposed: its other owner hears of it, and may accept.");
      target.value = "";
      again();
      showPassages();
    } catch (error) {
      tell(said, error.message, true);
    }
  });
  return more;
}

function arrivalsField(form) {
  const arrivals = field(form, "Who comes to you", element("select"));
  arrivals.append(...[["accept", "is let in"], ["ask", "waits until you decide"], ["refuse", "is sent back"]].map(([value, text]) => Object.assign(element("option", text), { value })));
  return arrivals;
}

// ── one passage ──

function travellerWords(one, me) {
  const there = endText(one.universe, me);
  if (one.state === "in") return `is in ${there}${one.gone ? ", which was deleted" : ""}`;
  if (one.state === "in-transit") return `is on its way from ${endText(one.source, me)} to ${there}`;
  return `was refused by ${there}${one.reason ? `: ${one.reason}` : ""}, and goes back to ${endText(one.source, me)}`;
}

const fileOf = (one) => `${one.soul.replace(/[^\p{L}\p{N}._-]+/gu, "_").slice(0, 64)}.${one.format}`;

function travellerItem(one, of) {
  const item = element("li");
  item.append(element("strong", one.soul), ` ${travellerWords(one, of.me)}`);
  item.append(element("div", [`of ${endText(one.origin, of.me)}`, one.format, size(one.size)].join(" · "), "soft"));
  const steps = one.receipts.map((each) => `${each.kind}, ${endText(each.universe, of.me)} at tick ${numberText(each.tick)}`);
  item.append(element("div", steps.join(" → "), "soft"));
  const row = element("p", undefined, "row");
  const path = passagePath(one.passage); // of its last journey, which may be by another one
  const who = { migration: one.migration, soul: one.soul, origin: one.origin };
  const save = button("Download", `Download ${one.soul} as it left`, async () => {
    save.disabled = true;
    tell(of.said, "");
    try {
      await saveBytes(`${path}/travellers?${new URLSearchParams({ ...who, raw: true })}`, fileOf(one));
      tell(of.said, `A copy of ${one.soul} is downloaded: where it is stays as it was.`);
    } catch (error) {
      tell(of.said, error.message, true);
    } finally {
      save.disabled = false;
    }
  });
  row.append(save);
  item.append(row);
  if (one.state !== "in-transit") return item;
  const act = (what, more, done) => async () => {
    try {
      await post(`${path}/${what}`, more);
      await of.again(done);
    } catch (error) {
      tell(of.said, error.message, true);
    }
  };
  const acts = element("p", undefined, "row");
  acts.dataset.acts = "";
  const mayDecide = ownerOf(one.universe) === of.me && (of.passage.arrivals[of.me] === "ask" || of.doubtful || of.rests[one.universe]);
  if (mayDecide) {
    acts.append(button("Let in", `Let ${one.soul} in`, act("decide", { ...who, accept: true }, `${one.soul} is let in.`)));
    acts.append(button("Send back", `Send ${one.soul} back`, act("decide", { ...who, accept: false, reason: "sent back" }, `${one.soul} is sent back.`)));
  }
  if (ownerOf(one.source) === of.me) acts.append(button("Call back", `Call ${one.soul} back`, act("recall", { migration: one.migration, from: one.source }, `${one.soul} is called back: it comes unless it was let in before that is heard.`)));
  if (acts.children.length) item.append(acts);
  return item;
}

function passageActs(of) {
  const one = of.passage;
  const owners = new Set([one.source, one.target].map(ownerOf));
  const row = element("form");
  row.dataset.acts = "";
  const act = (method, path, body, done) => async (event) => {
    event.preventDefault();
    try {
      await ask(method, path, body());
      await of.again(done);
      showPassages();
    } catch (error) {
      tell(of.said, error.message, true);
    }
  };
  if (!owners.has(of.me)) return [];
  const hasSaid = ownerOf(one.fullName) === of.me || one.acceptedBy === of.me;
  if (one.state === "proposed" && !hasSaid) {
    const arrivals = arrivalsField(row);
    const line = element("p");
    line.append(element("button", "Accept it"));
    row.append(line);
    row.addEventListener("submit", act("POST", `${of.path}/accept`, () => ({ arrivals: arrivals.value }), "It is accepted."));
  } else if (one.state !== "closed" && hasSaid) {
    row.append(element("button", "Close it"), element("p", "Who is under way comes back then, and nobody else leaves.", "soft"));
    row.addEventListener("submit", act("DELETE", of.path, () => undefined, "It is closed."));
  }
  return row.children.length ? [row] : [];
}

// A page of them, and under it the next one as soon as somebody asks for it.
function travellersList(found, of) {
  const place = element("div");
  const draw = (page) => {
    const [list, more] = inPortions(page.travellers, (each) => travellerItem(each, of));
    place.append(list, more);
    if (!page.whole) place.append(element("p", "Some are left out: what they went through is too much to read, or damaged.", "soft"));
    if (!page.next) return;
    const row = element("p");
    row.append(button("Show those after these", "", async () => {
      try {
        const next = await get(`${of.path}/travellers?${new URLSearchParams({ cursor: page.next })}`);
        row.remove();
        draw(next);
      } catch (error) {
        tell(of.said, error.message, true);
      }
    }));
    place.append(row);
  };
  draw(found);
  return place;
}

const RESTS = {
  day: "answered as many through this passage as it does in a day: others wait", spent: "answered as many through this passage as it ever does: another passage goes on",
  refused: "refused many in a row through this passage, and answers nobody else",
};

async function passageParts(of) {
  const [{ passage: one }, found] = await Promise.all([get(of.path), get(`${of.path}/travellers`), learnNames()]);
  Object.assign(of, { passage: one, doubtful: found.doubtful.length > 0, rests: found.rests });
  const places = element("p", undefined, "ends");
  places.append(recordLink("universe", one.source, endText(one.source, of.me)), recordLink("universe", one.target, endText(one.target, of.me)));
  const under = (state) => found.travellers.filter((each) => each.state === state).length;
  const words = [found.next ? `the first ${numberText(found.travellers.length)} travellers` : counted(found.travellers.length, "traveller"), under("in-transit") ? `${under("in-transit")} on the way` : "", under("refused") ? `${under("refused")} refused` : ""];
  const drawing = element("div", undefined, "crossing");
  drawing.append(passagePicture(one, 320, found.travellers), places);
  return [
    element("p", `${one.type}, ${PASSAGE_STATES[one.state]}`, "soft"), drawing,
    ...one.gone.map((full) => element("p", `${endText(full, of.me)} was deleted. Nobody goes there, and who is in it stays there until its owner brings it back.`, "bad")),
    listedFacts([
      ["stability", `${one.stability} of 100`], ["looked after", minute(one.lastMaintenance)], ["made", `${minute(one.createdAt)}${one.createdBy ? ` by ${one.createdBy}` : ""}`],
      ["proposed by", personName(ownerOf(one.fullName))], ["accepted by", one.acceptedBy ? personName(one.acceptedBy) : ""], ["id", one.id],
    ]),
    ...passageActs(of), of.said,
    ...found.doubtful.map((full) => element("p", `The gate of ${endText(full, of.me)} signed two receipts with one number: whoever comes from it waits until somebody decides.`, "bad")),
    ...Object.entries(found.rests).map(([full, why]) => element("p", `The gate of ${endText(full, of.me)} ${RESTS[why] || why}.`, "soft")),
    ...found.behind.map((full) => element("p", `The gate of ${endText(full, of.me)} signs nothing: the other end answered what is not here. Synchronise, so that it comes. If it is lost for good, or was never signed: panspermia passage gate ${shellWord(full)} --anyway`, "bad")),
    element("h3", "Travellers"), element("p", words.filter(Boolean).join(", "), "soft"), travellersList(found, of),
  ];
}

async function drawPassage(full) {
  const place = element("div");
  const of = { path: passagePath(full), me: await ownDid(), said: saidLine() };
  of.again = async (done) => {
    place.replaceChildren(...await passageParts(of));
    fitLock(place);
    tell(of.said, done);
  };
  place.append(...await passageParts(of));
  const one = of.passage;
  return { one: { ...one, name: one.name || `${shortOf(one.source)} – ${shortOf(one.target)}` }, parts: [place] };
}
