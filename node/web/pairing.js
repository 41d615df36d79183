// Inviting and accepting. The page may act once somebody typed the code of `panspermia open`.
"use strict";

let offered = null; // what was looked at and not taken yet: the body of the request, and its offer
let endsAt = 0; // of the code that is shown, in ms
let shownId = ""; // of the invite whose code is shown
let countdown;

function say(id, text, isBad) {
  byId(id).textContent = text;
  byId(id).className = isBad ? "bad" : "soft";
}

// ── may this page act? ──

function showLock() {
  byId("unlock").hidden = Boolean(token());
  byId("pairing").hidden = !token();
  fitLock(document);
  if (token()) {
    showNamespaces();
    showInvites();
  }
}

async function unlock(event) {
  event.preventDefault();
  try {
    const made = await post("/api/page/tokens", { code: byId("page-code").value });
    sessionStorage.setItem(TOKEN, made.token);
    byId("unlock").reset();
    say("unlock-said", "");
    showLock();
    byId("invite-head").focus();
  } catch (error) {
    say("unlock-said", error.message, true);
    byId("page-code").select();
  }
}

function lock() {
  sessionStorage.removeItem(TOKEN);
  hideCode();
  showLock();
  byId("page-code").focus();
}

// ── inviting ──

async function showNamespaces() {
  const { namespaces } = await get("/api/namespaces");
  const chosen = byId("invite-namespace").value || "commons";
  byId("invite-namespace").replaceChildren(...namespaces.map((one) => {
    const option = element("option", `${one.name}: you may ${one.rights}`);
    option.value = one.name;
    option.selected = one.name === chosen;
    return option;
  }));
}

async function invite(event) {
  event.preventDefault();
  const area = byId("invite-area").value.trim();
  const body = { namespace: byId("invite-namespace").value, expires_s: Number(byId("invite-expires").value) };
  if (byId("invite-level").value) body.level = byId("invite-level").value;
  if (area) body.areas = [area];
  if (byId("invite-note").value.trim()) body.note = byId("invite-note").value.trim();
  if (byId("invite-as").value.trim()) body.called = byId("invite-as").value.trim();
  if (byId("invite-passphrase").value) body.passphrase = byId("invite-passphrase").value;
  say("invite-said", "making a code …");
  try {
    showCode(await post("/api/invites", body));
    say("invite-said", "");
    byId("invite-passphrase").value = "";
    showInvites();
  } catch (error) {
    askPassphrase("invite", error);
    say("invite-said", error.message, true);
  }
}

function askPassphrase(form, error) {
  if (!["sealed", "wrong-passphrase"].includes(error.code)) return;
  byId(`${form}-passphrase-row`).hidden = false;
  byId(`${form}-passphrase`).focus();
}

function showCode(made) {
  byId("code").textContent = made.code;
  show("code-words", made.words.map((text) => element("li", text)));
  byId("code-link").textContent = made.link;
  byId("qr").replaceChildren(qrPicture(made.qr));
  byId("made").hidden = false;
  shownId = made.id;
  endsAt = Date.parse(made.expires_at);
  clearInterval(countdown);
  countdown = setInterval(showTimeLeft, 1000);
  showTimeLeft();
  byId("made-head").focus();
}

// Dark on light, whatever the colours of the page: cameras want it so.
function qrPicture(rows) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${rows.length} ${rows.length}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "QR code of the link below");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", rows.flatMap((row, y) => [...row].map((one, x) => (one === "1" ? `M${x} ${y}h1v1h-1z` : ""))).join(""));
  svg.append(path);
  return svg;
}

function showTimeLeft() {
  const left = Math.ceil((endsAt - Date.now()) / 1000);
  if (left > 0) byId("time-left").textContent = left < 120 ? `${left} s` : duration(left);
  else hideCode("The code has ended; make another one.");
}

function hideCode(why = "") {
  clearInterval(countdown);
  byId("made").hidden = true;
  shownId = "";
  for (const id of ["code", "code-link", "qr", "code-words"]) byId(id).replaceChildren();
  say("invite-said", why);
}

function inviteItem(one) {
  const item = element("li");
  const who = one.name || (one.did ? shortKey(one.did) : "");
  const left = Math.ceil((Date.parse(one.expires_at) - Date.now()) / 1000);
  item.append(element("strong", one.id.slice(0, 8)), document.createTextNode(` ${one.state}${who ? ` by ${who}` : ""}`));
  item.append(element("div", one.words.join("; "), "soft"));
  const facts = [
    one.state === "open" && left > 0 ? `${duration(left)} left` : "",
    one.wrong ? `${one.wrong} wrong guesses` : "",
    one.called && !one.name ? `they call themselves “${one.called}”` : "",
    one.digits ? `check digits, the same there: ${one.digits}` : "",
  ];
  item.append(element("div", facts.filter(Boolean).join(" · "), "soft"));
  if (one.state === "open") item.append(button("Revoke", `Revoke invite ${one.id.slice(0, 8)}`, () => revoke(one.id)));
  return item;
}

async function showInvites() {
  if (!token()) return;
  try {
    const { invites } = await get("/api/invites");
    show("invites", invites.slice(0, 20).map(inviteItem), "None yet.");
  } catch (error) {
    show("invites", [element("li", error.message, "bad")]);
  }
}

async function revoke(id) {
  try {
    await ask("DELETE", `/api/invites/${encodeURIComponent(id)}`);
    if (id === shownId) hideCode();
    say("invite-said", `The code of ${id.slice(0, 8)} is of no use any more.`);
  } catch (error) {
    say("invite-said", error.message, true);
  }
  await showInvites();
  byId("invites-head").focus();
}

// ── accepting ──

async function look(event) {
  event.preventDefault();
  const body = { code: byId("accept-code").value.trim() };
  if (byId("accept-name").value.trim()) body.name = byId("accept-name").value.trim();
  leave();
  byId("accept-look").disabled = true;
  say("accept-said", "looking for who made it …");
  try {
    const shown = await story("/api/invites/accept", { ...body, dry_run: true }, (text) => say("accept-said", text));
    offered = shown.offer ? { ...body, offer: shown.offer } : body;
    show("offer-words", shown.words.map((text) => element("li", text)));
    byId("offer-from").textContent = `From ${shown.giver}`;
    byId("offer-digits").textContent = shown.digits ? `Check digits of both nodes: ${shown.digits}` : "";
    byId("offer").hidden = false;
    say("accept-said", "");
    byId("offer-head").focus();
  } catch (error) {
    say("accept-said", error.message, true);
    byId("accept-code").select();
  } finally {
    byId("accept-look").disabled = false;
  }
}

function leave() {
  offered = null;
  byId("offer").hidden = true;
  say("accept-said", "");
}

async function take() {
  const body = { ...offered };
  if (byId("accept-passphrase").value) body.passphrase = byId("accept-passphrase").value;
  byId("offer-take").disabled = true;
  say("accept-said", "taking it …");
  try {
    const taken = await story("/api/invites/accept", body, (text) => say("accept-said", text));
    leave();
    byId("accept").reset();
    say("accept-said", takenText(taken));
    byId("accept-head").focus();
  } catch (error) {
    askPassphrase("accept", error);
    say("accept-said", error.message, true);
  } finally {
    byId("offer-take").disabled = false;
  }
}

function takenText(taken) {
  if (taken.starts_again) return "This node is one of their devices now, and starts again. Type its new code then: panspermia open";
  const places = taken.namespaces.length ? ` You take part in ${taken.namespaces.join(", ")}.` : "";
  const digits = taken.digits ? ` Check digits, the same there: ${taken.digits}.` : "";
  const unreached = taken.addresses.filter((one) => !one.connected).map((one) => ` ${one.address}: ${one.detail}.`).join("");
  const who = taken.name ? `${taken.name}, ${taken.giver}` : taken.giver;
  return `${taken.type === "pair" ? "Paired with" : "Taken from"} ${who}.${places}${digits}${unreached}`;
}

byId("unlock").addEventListener("submit", unlock);
byId("invite").addEventListener("submit", invite);
byId("accept").addEventListener("submit", look);
byId("offer-take").addEventListener("click", take);
byId("offer-leave").addEventListener("click", () => { leave(); byId("accept-code").focus(); });
byId("hide-code").addEventListener("click", () => { hideCode(); byId("invite-head").focus(); });
byId("lock").addEventListener("click", lock);
document.addEventListener("token", showLock);
showLock();
