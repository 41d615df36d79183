// The node's status, its peers and who may do what. Text of peers goes in as text, never as markup.
"use strict";

const REFRESH_MS = 5000;
const RIGHTS_REFRESH_MS = 30000;

function fact(name, value) {
  const card = element("div");
  card.append(element("dt", name), element("dd", String(value)));
  return card;
}

async function showStatus() {
  try {
    const status = await get("/api/status");
    byId("state").textContent = `${status.state}, version ${status.version}`;
    byId("state").className = "soft";
    byId("did").textContent = status.did;
    byId("facts").replaceChildren(
      fact("peers connected", status.peers.connected),
      fact("peers known", status.peers.known),
      ...Object.entries(status.records).map(([kind, count]) => fact(`${kind}s`, count)),
      fact("entries", status.entries),
      fact("blobs", `${status.blobs.count} (${size(status.blobs.bytes)})`),
      fact("refused", status.refused - status.slips),
      fact("unread letters", status.letters.unread),
      fact("peer address", status.p2p),
    );
    byId("warnings").replaceChildren(...status.warnings.map((text) => element("li", text)));
  } catch (error) {
    byId("state").textContent = `the node does not answer: ${error.message}`;
    byId("state").className = "bad";
  }
}

// ── how it stands with the peers: the state first ──

function peerItem(peer) {
  const item = element("li");
  item.append(element("strong", peer.name || peer.did || peer.device), document.createTextNode(` ${peer.words}`));
  const facts = [
    `by ${peer.transport}`, peer.address,
    peer.rtt_ms === null ? "" : `${Math.round(peer.rtt_ms)} ms`,
    `in ${peer.entries_in} (${size(peer.bytes_in)})`, `out ${peer.entries_out} (${size(peer.bytes_out)})`,
    `${peer.rounds} rounds`, `for ${duration(peer.connected_s)}`,
    peer.check_digits && `check digits ${peer.check_digits}`,
  ];
  item.append(element("div", facts.filter(Boolean).join(" · "), "soft"));
  for (const one of peer.refusals) item.append(element("div", `${one.count} refused, ${one.code}: ${one.why}`, "bad"));
  for (const one of peer.waits) item.append(element("div", `${one.count} waiting, ${one.code}: ${one.why}`, "bad"));
  if (peer.missing) item.append(element("div", `${peer.missing} of its entries were announced, and then not given`, "bad"));
  if (peer.last_error) item.append(element("div", `before this connection: ${peer.last_error}`, "soft"));
  return item;
}

function missedItem(found) {
  const who = found.name || (found.did ? shortKey(found.did) : "somebody");
  const item = element("li", `calling ${who} at ${found.address}`);
  const facts = [
    found.source === "static" ? "named by you" : `seen by ${found.source}`,
    found.check_digits && `check digits ${found.check_digits}`,
    found.last_error && `last: ${found.last_error}`,
  ];
  item.append(element("div", facts.filter(Boolean).join(" · "), "soft"));
  return item;
}

function refusedPeerItem(one) {
  return element("li", `${one.device || one.host} is refused until ${one.until}, ${one.code}: ${one.reason}`, "bad");
}

function relayItem(one) {
  const item = element("li", `relay ${one.url}: ${one.state} for ${duration(one.since_s)}`);
  const facts = [one.rtt_ms === null ? "" : `${Math.round(one.rtt_ms)} ms away`, one.last_error && `last: ${one.last_error}`];
  item.append(element("div", facts.filter(Boolean).join(" · "), one.state === "registered" ? "soft" : "bad"));
  return item;
}

async function showPeers() {
  try {
    const known = await get("/api/peers");
    const there = new Set(known.peers.flatMap((peer) => [peer.address, peer.device]));
    const missed = known.discovered.filter((one) => !there.has(one.address) && !there.has(one.device));
    byId("sync").textContent = [known.sync.words, known.one_source_words].filter(Boolean).join("; ");
    byId("sync").className = known.sync.state === "in-sync" && !known.one_source_words ? "" : "bad";
    show("peers", [...known.peers.map(peerItem), ...missed.map(missedItem), ...known.refused.map(refusedPeerItem)]);
    show("relays", known.relays.map(relayItem));
    showTransfers(known.transfers);
  } catch (error) {
    byId("sync").textContent = error.message;
  }
}

// ── blobs on their way, and how the last ones ended ──

const transfers = new Map(); // id of a blob -> as /api/peers has it

function showTransfers(listed) {
  transfers.clear();
  for (const one of listed) transfers.set(one.blob, one);
  drawTransfers();
}

function hearOfBlob(news) {
  transfers.set(news.blob, { ...transfers.get(news.blob), ...news });
  drawTransfers();
}

function transferText(one) {
  if (one.state === "failed") return one.reason;
  if (one.state === "fetched") return `fetched, ${size(one.total)}`;
  if (!one.total) return "asking for it";
  const share = `${size(one.size)} of ${size(one.total)}`;
  if (one.reason) return `${share} · ${one.reason}: it waits for one that has it`;
  if (!one.bytes_per_s && one.quiet_s >= 5) return `${share} · nothing came for ${Math.round(one.quiet_s)} s`;
  const left = one.bytes_per_s ? `${duration((one.total - one.size) / one.bytes_per_s)} to go` : "";
  const givers = one.peers === 1 ? "from 1 peer" : `from ${one.peers} peers`;
  const limited = one.limited ? "as fast as the limit p2p.download allows" : "";
  return [share, `${size(one.bytes_per_s)}/s`, givers, left, limited].filter(Boolean).join(" · ");
}

function transferItem(one) {
  const item = element("li");
  const name = one.blob.slice(0, 16);
  item.append(element("code", name), document.createTextNode(` ${one.state}`));
  if (one.state === "fetching") {
    const bar = element("progress");
    bar.setAttribute("aria-label", `blob ${name}`);
    bar.max = one.total;
    bar.value = one.size;
    item.append(bar);
  }
  item.append(element("div", transferText(one), one.state === "failed" ? "bad" : "soft"));
  return item;
}

function drawTransfers() {
  show("transfers", [...transfers.values()].map(transferItem));
  byId("fetching").hidden = transfers.size === 0;
}

// ── who may do what ──

const STATES = { valid: "valid", revoked: "revoked", cut: "revoked in a part", expired: "expired", early: "not in force yet" };

function namespaceItem(one) {
  const item = element("li");
  item.append(element("strong", one.name), document.createTextNode(` you may ${one.rights}`));
  const owner = one.kind === "owned" ? `its owner last said so: ${ago(one.authority_age_s)}; ` : "";
  item.append(element("div", `${owner}compared with a peer: ${ago(one.authority_compared_s)}`, "soft"));
  return item;
}

function rightItem(right) {
  const item = element("li", right.words);
  const by = right.revocations.map((one) => `by ${one.who}${one.reason ? `: ${one.reason}` : ""}`);
  const state = [STATES[right.state], ...by].join(" ");
  item.append(element("div", state, right.state === "valid" ? "soft" : "bad"));
  return item;
}

function revocationItem(one) {
  const item = element("li", `${one.who} took back from ${one.key}: ${one.area}`);
  const state = one.in_force ? "in force" : one.stands ? "taken back again" : "no right to say so";
  item.append(element("div", [one.at.slice(0, 10), state, one.reason].filter(Boolean).join(", "), "soft"));
  return item;
}

function leftOutItem(one) {
  const item = element("li", one.detail);
  item.append(element("div", `${one.where}, ${one.source}`, "soft"));
  return item;
}

async function showRights() {
  try {
    const [spaces, rights, said, refused] = await Promise.all([
      get("/api/namespaces"), get("/api/capabilities"), get("/api/statements?type=revoke"), get("/api/refused?limit=50"),
    ]);
    show("namespaces", spaces.namespaces.map(namespaceItem), "none");
    showPlaces(spaces.namespaces);
    showReaders(spaces.namespaces);
    show("given", rights.given.map(rightItem), "Nothing. From a terminal: panspermia cap grant");
    show("held", rights.capabilities.map(rightItem), "Nothing beyond what is yours.");
    show("revocations", said.statements.map(revocationItem), "Nothing.");
    show("left-out", refused.refused.filter((one) => one.held).map(leftOutItem), "Nothing.");
  } catch (error) {
    show("namespaces", [element("li", error.message, "bad")], "");
  }
}

showStatus();
showPeers();
showRights();
showRecord();
setInterval(() => { if (!document.hidden) showStatus(); }, REFRESH_MS);
setInterval(() => { if (!document.hidden) showPeers(); }, REFRESH_MS);
setInterval(() => { if (!document.hidden) showRights(); }, RIGHTS_REFRESH_MS);

// What happens is told as it happens; what was missed meanwhile, the lists above say.
const events = new EventSource("/api/events?types=blob,index,invite,peer,letter");
events.addEventListener("blob", (event) => hearOfBlob(JSON.parse(event.data)));
events.addEventListener("index", () => { showFoundAgain(); showLifeAgain(); showChallengesAgain(); showMultiverseAgain(); });
events.addEventListener("invite", () => showInvites());
events.addEventListener("peer", () => showPeers());
events.addEventListener("letter", () => showStatus());
