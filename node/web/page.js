// What the scripts of the node's page share. Text of peers goes in as text, never as markup.
"use strict";

const TOKEN = "panspermia-token";
const byId = (id) => document.getElementById(id);

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function button(text, label, act) {
  const made = element("button", text);
  made.type = "button";
  if (label) made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

// A part of a drawing; its text, too, goes in as text.
function shape(name, attributes = {}, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; bytes >= 1024 && unit < units.length - 1; unit += 1) bytes /= 1024;
  return `${unit ? bytes.toFixed(1) : bytes} ${units[unit]}`;
}

function duration(seconds) {
  const units = [[86400, "d"], [3600, "h"], [60, "min"]];
  const [length, name] = units.find(([each]) => seconds >= each) || [1, "s"];
  return `${Math.floor(seconds / length)} ${name}`;
}

const ago = (seconds) => (seconds === null ? "never" : `${duration(seconds)} ago`);
// A word of a command that is shown to be copied: of a name that holds `;` or spaces a shell runs nothing.
const shellWord = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\"'\"'")}'`);
const counted = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
const shortKey = (did) => did.replace(/^did:key:(.{6}).*(.{6})$/, "$1…$2");

// What acts is there once somebody let this page act; what says how, until then.
function fitLock(within) {
  for (const one of within.querySelectorAll("[data-acts]")) one.hidden = !token();
  for (const one of within.querySelectorAll("[data-locked]")) one.hidden = Boolean(token());
}

// Files that are dropped on `place` are handed to `take`.
function takesFiles(place, take) {
  for (const kind of ["dragover", "dragleave", "drop"]) {
    place.addEventListener(kind, (event) => {
      event.preventDefault();
      place.classList.toggle("over", kind === "dragover");
      if (kind === "drop") take(event.dataTransfer.files);
    });
  }
}

// A list that shows so many of `all` at a time, and a button for more.
function inPortions(all, made, count = 20) {
  const list = element("ul", undefined, "list");
  const add = () => {
    const next = all.slice(list.children.length, list.children.length + count).map(made);
    list.append(...next);
    more.hidden = list.children.length >= all.length;
    return next[0];
  };
  const more = button("Show more", "", () => {
    const first = add();
    first.tabIndex = -1;
    first.focus();
  });
  add();
  return [list, more];
}

function show(list, items, none) {
  redraw(byId(list), items.length || !none ? items : [element("li", none, "soft")]);
}

// Drawn anew; who stands on a link or a button of it stands on the same one after, and on none where
// several could be it: each may do something else.
function redraw(place, items) {
  const before = place.contains(document.activeElement) ? document.activeElement : null;
  place.replaceChildren(...items);
  if (!before) return;
  const told = (one) => JSON.stringify([one.textContent, one.getAttribute("href"), one.getAttribute("aria-label")]);
  const same = [...place.querySelectorAll(before.localName)].filter((one) => told(one) === told(before));
  if (same.length === 1) same[0].focus({ preventScroll: true });
}

// ── the node's API ──

// A problem of the API as a sentence, with its code beside it.
class Problem extends Error {
  constructor(problem) {
    const text = problem.detail || problem.title || "The node does not say why.";
    super(`${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`);
    this.code = problem.code;
  }
}

const token = () => sessionStorage.getItem(TOKEN);

async function ask(method, path, body, accept = "application/json", signal = undefined) {
  const headers = { accept };
  if (token()) headers.authorization = `Bearer ${token()}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    if (signal?.aborted) throw new Problem({ detail: "stopped" });
    throw new Problem({ detail: "the node does not answer: is it running?" });
  }
  if (answer.status === 401 && token()) {
    sessionStorage.removeItem(TOKEN);
    document.dispatchEvent(new Event("token"));
  }
  if (!answer.ok) throw new Problem(await answer.json().catch(() => ({ detail: `it answered ${answer.status}` })));
  return answer;
}

const get = async (path) => (await ask("GET", path)).json();
// Whole numbers beyond 2^53 stay what they are, as text, where the browser tells how they stood there.
const exact = (key, value, at) => (typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER && at?.source ? at.source : value);
const getExact = async (path) => JSON.parse(await (await ask("GET", path)).text(), exact);
const post = async (path, body) => (await ask("POST", path, body)).json();

// Who this node is; asked once.
let ownAsked = null;
function ownDid() {
  ownAsked ??= get("/api/status").then((status) => status.did);
  ownAsked.catch(() => { ownAsked = null; });
  return ownAsked;
}

// The lines of a long task: `told` hears how far it is, as text and as the line says it. Gives its result.
async function story(path, body, told, signal = undefined) {
  const answer = await ask("POST", path, body, "application/x-ndjson", signal);
  if (!answer.headers.get("content-type").includes("ndjson")) return answer.json();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      throw signal?.aborted ? new Problem({ detail: "stopped" }) : error;
    });
    if (done) throw new Problem({ detail: "the node broke off" });
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines.map((one) => JSON.parse(one))) {
      if (line.event === "result") return line;
      if (line.event === "error") throw new Problem(line.problem);
      told(line.text, line);
    }
  }
}
