// Relatives of a universe: its tree of forks as a picture and as a list, who lives in it, and who descends from whom.
"use strict";

const TREE_ROWS_MAX = 60; // that are drawn; a list beneath has the others
const ROW_PX = 48;
const TREE_PAD = 12;
const TOLD_WHERE_MAX = 8; // of one name, and places of each

// The place itself with all it descends from, and of the others the first: each after its parent.
function rowsOf(tree, full) {
  const by = new Map(tree.map((one) => [one.universe, one]));
  const kept = new Set();
  for (let at = by.get(full); at && !kept.has(at); at = by.get(at.parent)) kept.add(at);
  for (const one of tree) if (kept.size < TREE_ROWS_MAX) kept.add(one);
  return tree.filter((one) => kept.has(one));
}

// Strangers call theirs as one calls one's own.
function placeText(one, me) {
  if (!one.name) return endText(one.universe, me);
  return ownerOf(one.universe) === me ? one.name : `${one.name} of ${personName(ownerOf(one.universe))}`;
}

function placeLabel(one, me) {
  if (!one.isKnown) return `${endText(one.universe, me)}, ${one.isDeleted ? "deleted" : "not known here"}`;
  const from = one.parent ? `, from tick ${numberText(one.tick)}` : "";
  return `${placeText(one, me)}${from}${one.isCut ? ", says it descends from itself" : ""}`;
}

// Each universe is a line from the tick at which it begins; a fork leaves the line of its parent there.
function treePicture(rows, { full, me }, width) {
  const last = Math.max(1, ...rows.map((one) => Number(one.tick)));
  const x = (one) => TREE_PAD + (one.parent ? 14 + (Number(one.tick) / last) * (width * 0.62 - 14) : 0);
  const y = new Map(rows.map((one, at) => [one.universe, 30 + at * ROW_PX]));
  const height = rows.length * ROW_PX + 6;
  const picture = shape("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": "Tree of forks" });
  const end = width - TREE_PAD;
  for (const one of rows) {
    const [at, row] = [x(one), y.get(one.universe)];
    const above = y.get(one.parent);
    const start = above === undefined ? `M${at} ${row}` : `M${at} ${above}V${row - 12}Q${at} ${row} ${at + 12} ${row}`;
    const kind = ["branch", one.universe === full ? "here" : "", one.isKnown && !one.isCut ? "" : "unsure"].filter(Boolean).join(" ");
    picture.append(shape("path", { class: kind, d: `${start}H${end}` }));
    if (above !== undefined) picture.append(shape("circle", { class: `${kind} joint`, cx: at, cy: above, r: 4 }));
    picture.append(shape("path", { class: `${kind} tip`, d: `M${end - 6} ${row - 5}L${end + 2} ${row}L${end - 6} ${row + 5}z` }));
  }
  for (const one of rows) { // above the lines
    const row = y.get(one.universe);
    const label = placeLabel(one, me);
    const text = [...label];
    const longest = Math.max(8, Math.floor((width - 2 * TREE_PAD) / 7));
    const shown = text.length > longest ? `${text.slice(0, longest - 1).join("")}…` : text.join("");
    const isLeft = x(one) + 18 + [...shown].length * 7 > width;
    const link = shape("a", { href: recordHash("universe", one.universe), "aria-label": label });
    if (one.universe === full) link.setAttribute("aria-current", "page");
    link.append(shape("text", { class: one.universe === full ? "here" : "", x: isLeft ? end : x(one) + (one.parent ? 16 : 2), y: row - 8, "text-anchor": isLeft ? "end" : "start" }, shown));
    picture.append(one.isKnown ? link : link.firstChild);
  }
  return picture;
}

function treeItem(one, me) {
  const item = element("li");
  item.append(one.isKnown ? recordLink("universe", one.universe, placeLabel(one, me)) : placeLabel(one, me));
  item.append(element("div", one.depth ? `fork of ${one.parent ? endText(one.parent, me) : "one that is not known here"}, ${one.depth} deep` : "the first of them", "soft"));
  return item;
}

async function drawForks(of, place) {
  const { tree } = await get(`${of.path}/forks${inNamespace(of.namespace, { tree: true })}`);
  if (tree.length < 2) return place.replaceChildren(element("p", "It is no fork, and nobody forked it yet.", "soft"));
  const rows = rowsOf(tree, of.one.fullName);
  const frame = element("div", undefined, "tree");
  const more = element("details");
  more.append(element("summary", `As a list: ${counted(tree.length, "universe")}${tree.length > rows.length ? `, of which ${rows.length} are drawn` : ""}`), ...inPortions(tree, (one) => treeItem(one, of.me)));
  let width = 0;
  new ResizeObserver(() => {
    if (!frame.clientWidth || frame.clientWidth === width) return;
    width = frame.clientWidth;
    frame.replaceChildren(treePicture(rows, { full: of.one.fullName, me: of.me }, width));
  }).observe(frame);
  return place.replaceChildren(frame, more);
}

// ── souls, and parents and children ──

const BEGAN = { born: "born", told: "first told of", forked: "there when it was forked", arrived: "arrived", returned: "came back" };
const ENDED = { died: "died", left: "left" };

function stayItem(one, me) {
  const item = element("li");
  const [came, went] = [one.cameFrom ? ` from ${endText(one.cameFrom, me)}` : "", one.wentTo ? ` for ${endText(one.wentTo, me)}` : ""];
  const until = one.until === null ? "and is there" : `${ENDED[one.ended] || "gone"} at tick ${numberText(one.until)}${went}`;
  item.append(recordLink("universe", one.universe, endText(one.universe, me)), `: ${BEGAN[one.began] || one.began} at tick ${numberText(one.since)}${came}, ${until}${one.origin === one.universe ? "" : `, of ${endText(one.origin, me)}`}`);
  const told = one.events.slice(0, 8).map((each) => `tick ${numberText(each.tick)} ${each.title}`);
  if (one.eventCount > told.length) told.push(`and ${numberText(one.eventCount - told.length)} more`);
  if (told.length) item.append(element("div", told.join(" · "), "soft"));
  return item;
}

const moreStays = (soul) => (soul.stayCount > soul.stays.length ? [element("p", `It was somewhere ${numberText(soul.stayCount)} times; these are where it is now, and the first of the others.`, "soft")] : []);

// Several may go by one name: a sentence for each universe that one of them is of, one's own first.
function whereabouts(soul, me) {
  const by = new Map();
  const of = (one) => by.get(one.origin) || by.set(one.origin, { there: [], under: [] }).get(one.origin);
  for (const one of soul.stays) of(one).there.push(...(one.until === null ? [one.universe] : []));
  for (const one of soul.inTransit) of(one).under.push(one.target);
  const said = [...by].slice(0, TOLD_WHERE_MAX).map(([origin, { there, under }]) => {
    const text = (places, between) => places.slice(0, TOLD_WHERE_MAX).map((one) => endText(one, me)).join(between);
    const where = there.length ? `is in ${text(there, " and in ")}` : under.length ? `is on its way to ${text(under, " and to ")}` : "is nowhere any more";
    return element("p", `${soul.name}${by.size > 1 ? ` of ${endText(origin, me)}` : ""} ${where}.`);
  });
  return said.length ? said : [element("p", `Nothing is told of ${soul.name}.`)];
}

async function drawSoul(of, name, place) {
  try {
    const [{ soul }, me] = await Promise.all([get(`${of.path}/souls${inNamespace(of.namespace, { name })}`), ownDid(), learnNames()]);
    place.replaceChildren(element("h4", name), ...whereabouts(soul, me), ...inPortions(soul.stays, (one) => stayItem(one, me)), ...moreStays(soul));
  } catch (error) {
    place.replaceChildren(element("p", error.message, "bad"));
  }
}

const moreTold = (found, told) => (found.total > told.length ? [element("p", `${found.total} are told of; these are the first.`, "soft")] : []);

function drawSouls(of, found) {
  if (!found.souls.length) return [element("p", "Nobody is told of as a soul yet.", "soft")];
  const one = element("div");
  one.setAttribute("role", "status");
  const made = (name) => {
    const item = element("li");
    item.append(button(name, `Follow ${name}`, () => drawSoul(of, name, one)));
    return item;
  };
  return [...inPortions(found.souls, made, 60), ...moreTold(found, found.souls), one].map((part) => (part.tagName === "UL" ? Object.assign(part, { className: "list names" }) : part));
}

// Of whom one tells a death may live in another: the one that is looked at first, then one's own.
function deathsText(died, full, me) {
  const rank = ([universe]) => (universe === full ? 0 : ownerOf(universe) === me ? 1 : 2);
  const deaths = Object.entries(died).sort((one, other) => rank(one) - rank(other));
  const [some, more] = [deaths.slice(0, TOLD_WHERE_MAX).map(([universe, tick]) => `${inText(universe, full, me)}at tick ${numberText(tick)}`), deaths.length - TOLD_WHERE_MAX];
  return some.length ? `died ${some.join(", ")}${more > 0 ? ` and in ${numberText(more)} more` : ""}` : "";
}

const inText = (universe, full, me) => (universe === full ? "" : `in ${endText(universe, me)} `);

function personItem(one, of) {
  const [item, full, me] = [element("li"), of.one.fullName, of.me];
  const began = one.born === null ? `told of in ${endText(one.universe, me)}` : `born ${inText(one.universe, full, me)}at tick ${numberText(one.born)}`;
  item.append(element("strong", one.name), ` ${[began, deathsText(one.died, full, me)].filter(Boolean).join(", ")}`);
  const named = (each) => (each.universe === one.universe ? each.name : `${each.name} (${endText(each.universe, me)})`);
  const names = (list) => list.slice(0, 8).map(named).join(", ") + (list.length > 8 ? ` and ${list.length - 8} more` : "");
  const kin = [one.parents.length ? `child of ${names(one.parents)}` : "", one.children.length ? `parent of ${names(one.children)}` : ""].filter(Boolean);
  if (kin.length) item.append(element("div", kin.join(" · "), "soft"));
  return item;
}

function drawPeople(of, found) {
  if (!found.people.length) return [element("p", "Of nobody a birth is told yet.", "soft")];
  return [...inPortions(found.people, (one) => personItem(one, of)), ...moreTold(found, found.people)];
}

const untoldText = (name, me) => element("p", `What happened in ${endText(name, me)} is not told: it is deleted, or not known here.`, "soft");

const unreadText = (name, me) => element("p", `Who passed ${endText(name, me)} is told as far as other gates say so: what its own gate signed cannot be read here.`, "bad");
const leftOutText = (found, me) => {
  if (!found.leftOutCount) return [];
  const [some, more] = [found.leftOut.slice(0, 8).map((one) => `${one.soul} of ${endText(one.origin, me)}`), found.leftOutCount - 8];
  return [element("p", `Journeys that are not told, as too much is to be read for them, or some of that is damaged here: ${some.join(", ")}${more > 0 ? ` and ${numberText(more)} more` : ""}.`, "bad")];
};

// Read when somebody opens it: all universes of the family are gone through for it.
function whenOpened(title, path, me, made) {
  const more = element("details");
  more.append(element("summary", title));
  more.addEventListener("toggle", async () => {
    const said = element("p", "reading …", "soft");
    more.append(said);
    try {
      const [found] = await Promise.all([get(path), learnNames()]);
      said.replaceWith(...made(found), ...found.untold.map((one) => untoldText(one, me)), ...found.unread.map((one) => unreadText(one, me)), ...leftOutText(found, me), ...(found.whole ? [] : [element("p", "More is known here than was read.", "bad")]));
    } catch (error) {
      tell(said, error.message, true);
    }
  }, { once: true });
  return more;
}

function familyParts(of) {
  const place = element("div");
  drawForks(of, place).catch((error) => place.replaceChildren(element("p", error.message, "bad")));
  return [
    element("h3", "Forks"), place, element("h3", "Who lives in it and in its relatives"),
    whenOpened("Souls, followed through forks and passages", `${of.path}/souls${inNamespace(of.namespace)}`, of.me, (found) => drawSouls(of, found)),
    whenOpened("Parents and children", `${of.path}/lineage${inNamespace(of.namespace)}`, of.me, (found) => drawPeople(of, found)),
  ];
}
