// Genomes, seeds and lineages on the node's page, in lists. Text of peers goes in as text.
"use strict";

const ORDERS = {
  genomes: [
    ["fitness", "the fittest, as claimed"], ["attested", "the fittest, as run again by you and whom you follow"],
    ["rating", "best rated"], ["downloads", "most downloads"], ["recent", "the newest"], ["tick", "by tick"], ["name", "by name"],
  ],
  seeds: [
    ["pop", "the largest population"], ["rating", "best rated"], ["downloads", "most downloads"], ["recent", "the newest"], ["name", "by name"],
  ],
  lineages: [
    ["level", "those that came furthest"], ["rating", "best rated"], ["recent", "the newest"], ["tick", "by tick"], ["name", "by name"],
  ],
  hall_of_fame: [],
};
const KIND_OF = { genomes: "genome", seeds: "seed", lineages: "lineage", hall_of_fame: "lineage" };
const PAGE_LIMIT = 20;
const shownLife = { number: 0, next: null, text: "" };

function attestedText(attested) {
  if (!attested) return "";
  const who = attested.attestors.map(personName).join(", ");
  if (attested.result !== null) return `${attested.result} attested by ${who}`;
  return attested.claimed ? "claimed, and run by nobody" : "";
}

function lifeItem(kind, one) {
  const item = element("li");
  const told = element("div");
  const full = `${one.author_did}/${one.id}`;
  const name = element("strong");
  name.append(recordLink(kind, full, one.name || one.id, one.namespace));
  told.append(name);
  if (one.description) told.append(element("div", one.description));
  const facts = [
    one.fitness_score ? `fitness ${one.fitness_score} as claimed` : "", attestedText(one.attested),
    kind === "seed" ? `largest population ${one.max_pop}` : "",
    kind === "lineage" ? `level ${one.civilization_level}, ${one.is_extinct ? "extinct" : "alive"}` : "",
    one.rating?.count ? starsOf(one.rating) : "", one.downloads ? `${one.downloads} downloads` : "",
    one.format, `by ${madeBy(one) || personName(one.author_did)}`,
  ];
  told.append(element("div", facts.filter(Boolean).join(" · "), "soft"));
  if (one.attested?.contradictions) told.append(element("div", `${one.attested.contradictions} of its results are contradicted`, "bad"));
  item.append(told);
  if (one.genotype) addPicture(item, kind, one, full, "thumb", ""); // the name stands beside it
  return item;
}

function showOrders() {
  const orders = ORDERS[byId("life-kind").value];
  byId("life-sort-row").hidden = !orders.length;
  byId("life-sort").replaceChildren(...orders.map(([value, text]) => Object.assign(element("option", text), { value })));
}

async function showLife(isMore = false) {
  const number = shownLife.number += 1;
  const list = byId("life-kind").value;
  const wanted = new URLSearchParams();
  if (list !== "hall_of_fame") {
    wanted.set("limit", PAGE_LIMIT);
    wanted.set("sort_by", byId("life-sort").value);
    if (isMore) wanted.set("cursor", shownLife.next);
  }
  byId("life").setAttribute("aria-busy", "true");
  try {
    const [page] = await Promise.all([getExact(`/api/registry/${list}?${wanted}`), learnNames()]);
    if (number !== shownLife.number) return; // something else was chosen
    const text = `${list} ${wanted} ${JSON.stringify([page[list], [...PERSONS]])}`;
    if (text === shownLife.text) return; // nothing is new, and somebody may be reading
    shownLife.text = text;
    const items = page[list].map((one) => lifeItem(KIND_OF[list], one));
    if (isMore) byId("life").append(...items);
    else redraw(byId("life"), items);
    if (isMore && items[0]) items[0].querySelector("a").focus();
    shownLife.next = page.next ?? null;
    byId("life-more").hidden = shownLife.next === null;
    say("life-said", byId("life").children.length ? "" : nothingText(list));
  } catch (error) {
    if (number !== shownLife.number) return;
    shownLife.text = "";
    byId("life").replaceChildren();
    byId("life-more").hidden = true;
    say("life-said", error.message, true);
  } finally {
    if (number === shownLife.number) byId("life").setAttribute("aria-busy", "false");
  }
}

function nothingText(list) {
  if (list === "genomes" && byId("life-sort").value === "attested") {
    return "Of no genome is a result verified by you or by whom you follow. From a terminal: panspermia attest GENOME";
  }
  return "None is known here yet. What a peer publishes arrives by itself.";
}

// What arrives meanwhile is shown where nobody reads on.
let waitingForLife;
function showLifeAgain() {
  if (document.hidden || byId("life").children.length > PAGE_LIMIT || byId("life").contains(document.activeElement)) return;
  clearTimeout(waitingForLife);
  waitingForLife = setTimeout(() => showLife(), 1000);
}

byId("life-kind").addEventListener("change", () => { showOrders(); showLife(); });
byId("life-sort").addEventListener("change", () => showLife());
byId("life-more").addEventListener("click", () => showLife(true));
byId("life-form").addEventListener("submit", (event) => event.preventDefault());
showOrders();
showLife();
