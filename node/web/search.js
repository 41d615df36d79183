// Search on the node's page: words, kinds, tags, what was found. Text of peers goes in as text.
"use strict";

const SEARCH_DELAY_MS = 150;
const TAGS_SHOWN = 12;
const asked = { kind: "", tags: [], sort: "relevance", number: 0, next: null };
const ENTITIES = { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#x27;": "'", "&amp;": "&" };

// `text` of the API is escaped, with <b> around what was found: made anew here, as text and marks.
function marked(text) {
  const line = element("div");
  text.split(/<\/?b>/).forEach((part, at) => {
    const plain = part.replace(/&(lt|gt|quot|#x27|amp);/g, (entity) => ENTITIES[entity]);
    line.append(at % 2 ? element("mark", plain) : document.createTextNode(plain));
  });
  return line;
}

function foundItem(hit) {
  const item = element("li");
  const name = element("strong");
  const record = hit.kind === "challenge" ? hit.id.split("/").pop() : Object.hasOwn(RECORDS, hit.kind) || Object.hasOwn(DRAWN, hit.kind) ? hit.id : "";
  name.append(record ? recordLink(hit.kind, record, hit.name || record, hit.namespace) : hit.name);
  item.append(name, document.createTextNode(` ${hit.version} `));
  item.append(element("span", hit.kind, "kind"), document.createTextNode(" "));
  item.append(element("code", hit.id, "soft"));
  if (hit.snippet) item.append(marked(hit.snippet));
  else if (hit.description) item.append(element("div", hit.description));
  const facts = [
    hit.downloads ? `${hit.downloads} downloads` : "", hit.rating === null ? "" : `${hit.rating.toFixed(1)} of 5`,
    hit.fitness === null ? "" : `fitness ${hit.fitness} as claimed`, attestedText(hit.attested), hit.format, hit.license, hit.tags.join(", "),
  ];
  item.append(element("div", facts.filter(Boolean).join(" · "), "soft"));
  if (hit.kind === "module") item.append(moduleDetails(hit.id));
  return item;
}

function choice(text, isOn, label, act) {
  const made = button(text, label, act);
  made.setAttribute("aria-pressed", String(isOn));
  return made;
}

// Where a button was that is made anew, the focus stays.
function showChoices(list, made) {
  const at = [...byId(list).children].indexOf(document.activeElement);
  byId(list).replaceChildren(...made);
  if (at >= 0 && made.length) made[Math.min(at, made.length - 1)].focus();
}

function showFacets(facets) {
  const kinds = facets.kind || [];
  const all = kinds.reduce((sum, one) => sum + one.count, 0);
  const pick = (kind) => () => { asked.kind = kind; showFound(); };
  const missing = asked.kind && !kinds.some((one) => one.value === asked.kind) ? [{ value: asked.kind, count: 0 }] : [];
  showChoices("kinds", [
    choice(`everything ${all}`, !asked.kind, "", pick("")),
    ...[...kinds, ...missing].map((one) => choice(`${one.value} ${one.count}`, asked.kind === one.value, "", pick(one.value))),
  ]);
  const tags = (facets.tag || []).filter((one) => !asked.tags.includes(one.value)).slice(0, TAGS_SHOWN);
  const toggle = (tag) => () => {
    asked.tags = asked.tags.includes(tag) ? asked.tags.filter((one) => one !== tag) : [...asked.tags, tag];
    showFound();
  };
  showChoices("tags", [
    ...asked.tags.map((tag) => choice(tag, true, `tag ${tag}, take it away`, toggle(tag))),
    ...tags.map((one) => choice(`${one.value} ${one.count}`, false, `tag ${one.value}, ${one.count}`, toggle(one.value))),
  ]);
}

function saidOf(page, query) {
  if (page.matched === "slips") return `Nothing has “${query}”. Did you mean${page.meant ? ` “${page.meant}”` : " this"}? ${page.total} found.`;
  if (page.matched === "some") return `Nothing has all of these words; ${page.total} have some.`;
  if (page.total) return `${page.total} found.`;
  const narrowed = asked.kind || asked.tags.length ? " with this kind and these tags" : "";
  return query || narrowed ? `Nothing found${narrowed}.` : "";
}

async function showFound(isMore = false) {
  const number = asked.number += 1;
  const query = byId("q").value.trim();
  const wanted = new URLSearchParams({ limit: "20", sort: asked.sort });
  if (query) wanted.set("q", query);
  if (asked.kind) wanted.set("kind", asked.kind);
  for (const tag of asked.tags) wanted.append("tag", tag);
  for (const facet of ["kind", "tag"]) wanted.append("facets", facet);
  if (isMore) wanted.set("cursor", asked.next);
  byId("found").setAttribute("aria-busy", "true");
  try {
    const page = await get(`/api/search?${wanted}`);
    if (number !== asked.number) return; // somebody typed on
    const items = page.results.map(foundItem);
    const first = items[0];
    if (isMore) byId("found").append(...items);
    else redraw(byId("found"), items);
    if (isMore && first) { first.tabIndex = -1; first.focus(); }
    asked.next = page.next;
    byId("more").hidden = page.next === null;
    showFacets(page.facets);
    byId("found-said").textContent = saidOf(page, query);
    byId("found-said").className = "soft";
    byId("empty").hidden = Boolean(query || asked.kind || asked.tags.length || page.total);
  } catch (error) {
    if (number !== asked.number) return;
    byId("found").replaceChildren();
    byId("more").hidden = true;
    byId("found-said").textContent = error.message;
    byId("found-said").className = "bad";
  } finally {
    if (number === asked.number) byId("found").setAttribute("aria-busy", "false");
  }
}

// What arrives meanwhile is shown where nobody reads on: on the first page, at most every second.
const isFoundRead = () => byId("found").contains(document.activeElement) || byId("found").querySelector("details[open]") !== null;
let waitingToSearch;
function showFoundAgain() {
  if (document.hidden || byId("found").children.length > 20 || isFoundRead()) return;
  clearTimeout(waitingToSearch);
  waitingToSearch = setTimeout(() => { if (!isFoundRead()) showFound(); }, 1000);
}
byId("q").addEventListener("input", () => {
  clearTimeout(waitingToSearch);
  waitingToSearch = setTimeout(() => showFound(), SEARCH_DELAY_MS);
});
byId("sort").addEventListener("change", () => { asked.sort = byId("sort").value; showFound(); });
byId("more").addEventListener("click", () => showFound(true));
byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(waitingToSearch);
  showFound();
});
// As in most programs: a slash goes to the search, wherever nobody is typing.
document.addEventListener("keydown", (event) => {
  const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  byId("q").focus();
});
showFound();
