// A player: who somebody says to be, their universes, and what others signed of them. There is no score.
"use strict";

const SIGNED = {
  rating: ["rating", "rated"], same: ["run that found the same", "ran it, and found the same"], other: ["run that found something else", "ran it, and found something else"],
  advisory: ["warning", "warns"], arrived: ["traveller let in", "let a traveller in"], "turned-back": ["traveller turned back", "turned a traveller back"],
};

const stars = (count) => "★".repeat(Math.round(count)) + "☆".repeat(5 - Math.round(count));

// Where the page shows it; else what the node says of it.
function factLink(one) {
  const text = `${one.on} ${idOf(one.of) || one.of}`;
  if (Object.hasOwn(RECORDS, one.on) || Object.hasOwn(DRAWN, one.on)) return recordLink(one.on, one.of, text);
  const link = element("a", text);
  link.href = one.where;
  return link;
}

function factItem(kind, one) {
  const item = element("li");
  if (kind === "rating") {
    const given = element("span", stars(one.stars));
    given.setAttribute("role", "img");
    given.setAttribute("aria-label", `${one.stars} of 5`);
    item.append(given, " ");
  }
  item.append(`${personName(one.by)} ${SIGNED[kind]?.[1] || kind}: `, factLink(one));
  if (one.said) item.append(element("div", one.said));
  item.append(element("div", [one.at ? minute(one.at) : "", one.part].filter(Boolean).join(" · "), "soft"));
  return item;
}

function circleParts(title, lines, why, whole) {
  if (!lines.length) return [element("h4", title), element("p", whole ? "Nothing." : "Nothing in what was looked at.", "soft")];
  return [element("h4", title), element("p", why, "soft"), ...lines.map((line) => {
    const more = element("details");
    const average = line.average === null ? "" : `, ${line.average.toFixed(1)} of 5 on average`;
    more.append(element("summary", `${counted(line.count, SIGNED[line.kind]?.[0] || line.kind)} by ${counted(line.signers, "signer")}${average}`));
    more.append(...inPortions(line.facts, (one) => factItem(line.kind, one)));
    return more;
  })];
}

function proofItem(one) {
  const item = element("li", `one key signed two things with number ${one.number}, of ${idOf(one.of) || one.of} `, "bad");
  const link = element("a", "look at it");
  link.href = one.where;
  item.append(link);
  return item;
}

function reputationParts(found) {
  return [
    element("h3", "What others signed of them"),
    ...(found.proofs.length ? [element("h4", "Proofs: these need nobody’s word"), ...inPortions(found.proofs, proofItem)] : []),
    ...circleParts("By you and whom you follow", found.followed, "Nothing that strangers sign changes this.", found.whole),
    ...circleParts("By others", found.strangers, "Keys are free: a thousand of these may be one person.", found.whole),
    ...(found.whole ? [] : [element("p", "More is held here than was looked at.", "bad")]),
  ];
}

// A peer wrote the address: only what opens a page is followed.
function webLink(text) {
  if (!/^https?:\/\//.test(text)) return text;
  const link = element("a", text);
  link.href = text;
  link.rel = "noopener noreferrer nofollow";
  return link;
}

async function drawPlayer(full, namespace) {
  const path = `/api/player/${encodeURIComponent(full)}`;
  const [{ player: one }, owned, found, me] = await Promise.all([
    get(`${path}${inNamespace(namespace)}`), getExact(`${path}/universes${inNamespace(namespace, { includeMetadata: true, limit: 100 })}`),
    get(`${path}/reputation${inNamespace(namespace)}`), ownDid(), learnNames(),
  ]);
  const [list, more] = inPortions(owned.universes, (each) => universeItem(each, me), 10);
  list.className = "list pictured";
  return {
    one: { ...one, name: one.displayName || one.id },
    parts: [
      element("p", one.author === me ? "you, as others see you in games" : `player of ${personName(one.author)}`, "soft"),
      ...(one.about ? [element("p", one.about)] : []),
      listedFacts([
        ["id", one.id], ["signed by", one.author], ["pages", one.links.map(webLink)], ["registered", minute(one.createdAt)], ["last seen", minute(one.lastSeen)],
        ["also said to be", one.alsoBy.map(personName).join(", ")],
      ]),
      element("h3", `Universes: ${one.universeCount}`), ...(owned.universes.length ? [list, more] : [element("p", "None is known here.", "soft")]),
      ...(owned.next ? [element("p", "These are the first hundred.", "soft")] : []),
      ...reputationParts(found),
    ],
  };
}

function playerItem(one, me) {
  const item = element("li");
  const name = element("strong");
  name.append(recordLink("player", `${one.author}/${one.id}`, one.displayName || one.id));
  item.append(name);
  if (one.about) item.append(element("div", one.about));
  item.append(element("div", [one.id, `by ${one.author === me ? "you" : personName(one.author)}`, `changed ${minute(one.updatedAt)}`].join(" · "), "soft"));
  return item;
}
