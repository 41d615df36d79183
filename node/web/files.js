// Files dropped on the node's page: each is published with all that is in it, and told what became of it.
"use strict";

const FILE_BYTES_MAX = 11 << 20; // in base64 the node takes 16 MiB
const FILES_MAX = 200; // at once; a terminal publishes whole folders
const REFUSALS_SHOWN = 20;
let handingIn = Promise.resolve(); // one file after another

function base64Of(file) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => failed(new Problem({ detail: "it cannot be read: is it a folder?" }));
    reader.readAsDataURL(file);
  });
}

const became = (one) => (["published", "updated"].includes(one.state) ? one.state : "is there already");

// Where the files go: what everybody is to read, or an area of a few that this node may write to.
function showPlaces(spaces) {
  const select = byId("place");
  const chosen = select.value;
  const open = spaces.filter((one) => one.can_publish);
  const value = (one) => (one.name === "commons" ? "commons" : one.did);
  select.replaceChildren(...open.map((one) => Object.assign(element("option", one.name), { value: value(one) })));
  if (open.some((one) => value(one) === chosen)) select.value = chosen;
  byId("place-row").hidden = open.length < 2;
  tellPlace();
}

function tellPlace() {
  const select = byId("place");
  const name = select.selectedOptions[0]?.textContent;
  byId("place-said").textContent = select.value === "commons"
    ? "All that is in them becomes public, signed by this node’s author."
    : `All that is in them is for those who may read ${name}, signed by this node’s author.`;
}

function reportOf(item, done, place) {
  const count = done.published.length;
  if (count <= 3) {
    for (const one of done.published) {
      const line = element("div", `${one.kind} ${became(one)}: `);
      line.append(recordLink(one.kind, one.id, one.name || one.id, place));
      item.append(line);
    }
  } else {
    const fresh = done.published.filter((one) => became(one) === one.state).length;
    item.append(element("div", `${fresh} published, ${count - fresh} there already`));
  }
  for (const one of done.refused.slice(0, REFUSALS_SHOWN)) {
    item.append(element("div", [one.place, one.name, one.detail].filter(Boolean).join(": "), "bad"));
  }
  if (done.refused.length > REFUSALS_SHOWN) item.append(element("div", `and ${done.refused.length - REFUSALS_SHOWN} more were refused`, "bad"));
  if (done.broken_off) item.append(element("div", `The node broke off here: ${done.broken_off.detail || done.broken_off.title} What came after was not published; drop the file again to go on.`, "bad"));
  if (!count && !done.refused.length) item.append(element("div", "There is nothing to publish in it.", "soft"));
}

async function handIn(file, place) {
  const item = element("li");
  const state = element("div", "reading it …", "soft");
  item.append(element("strong", file.name), state);
  byId("handed-in").prepend(item);
  try {
    if (file.size > FILE_BYTES_MAX) throw new Problem({ detail: `it has ${size(file.size)}, and a page sends at most ${size(FILE_BYTES_MAX)}: panspermia publish FILE` });
    const content = await base64Of(file);
    const done = await story("/api/registry/files", { file: file.name.slice(-255), content, namespace: place }, (text) => { state.textContent = text; });
    state.remove();
    reportOf(item, done, place);
    return done.refused.length === 0 && !done.broken_off;
  } catch (error) {
    const start = `${file.name}: `; // the file is named above
    state.textContent = error.message.toLowerCase().startsWith(start.toLowerCase()) ? error.message.slice(start.length) : error.message;
    state.className = "bad";
    return false;
  }
}

function handInAll(files) {
  const left = Math.max(0, files.length - FILES_MAX); // read now: later the list is empty
  const some = [...files].slice(0, FILES_MAX);
  if (!some.length) return;
  const place = byId("place").value; // as it was when they were dropped
  const where = byId("place").selectedOptions[0].textContent;
  handingIn = handingIn.then(async () => {
    let good = 0;
    for (const [at, file] of some.entries()) {
      say("files-said", `publishing file ${at + 1} of ${some.length} in ${where} …`);
      good += await handIn(file, place);
    }
    const more = left ? ` ${left} more were left out: panspermia publish FOLDER takes them all.` : "";
    say("files-said", `${good} of ${some.length} files went well.${more}`, good < some.length || left > 0);
    showLife();
  });
}

byId("place").addEventListener("change", tellPlace);
tellPlace();
byId("files").addEventListener("change", () => { handInAll([...byId("files").files]); byId("files").value = ""; });
takesFiles(byId("drop"), handInAll);
// Beside the place for them a browser would open the file and leave this page.
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
