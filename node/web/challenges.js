// Challenges on the node's page: who calls for what until when, and who stands where in it.
"use strict";

const CHALLENGE_STATES = { "not-open": "not open yet", open: "open", over: "over" };
const SEEDS_NAMED = 8;
const moment = (text) => `${text.slice(0, 16).replace("T", " ")} UTC`;

function challengeItem(one) {
  const item = element("li");
  const name = element("strong");
  name.append(recordLink("challenge", one.id, one.name || one.id, one.namespace));
  item.append(name, document.createTextNode(` ${CHALLENGE_STATES[one.state]}, until ${moment(one.deadline_at)}`));
  if (one.description) item.append(element("div", one.description));
  item.append(element("div", `judged by ${one.module.split("/").pop()} ${one.version} · called for by ${personName(one.author)}`, "soft"));
  return item;
}

async function showChallenges() {
  try {
    const [open, newest] = await Promise.all([
      getExact("/api/challenges?limit=20&open=true"), getExact("/api/challenges?limit=20&sort_by=recent"), learnNames(),
    ]);
    // What can still be entered, by its end; then what was called for lately.
    const ids = new Set(open.challenges.map((one) => one.id));
    const all = [...open.challenges, ...newest.challenges.filter((one) => !ids.has(one.id))].slice(0, 20);
    show("challenges", all.map(challengeItem), "None is known here yet. From a terminal: panspermia challenge create");
  } catch (error) {
    show("challenges", [element("li", error.message, "bad")]);
  }
}

function entrantItem(one, seeds) {
  const item = element("li");
  const place = one.place === null ? "" : `${one.place}. `;
  const name = element("strong", place);
  name.append(recordLink("genome", one.genome, one.name || `${one.genome.slice(0, 16)}…`));
  const total = one.total === null ? `${one.verified} of ${seeds} results verified` : `${one.total}`;
  item.append(name, document.createTextNode(` ${total}`));
  const facts = [
    `entered by ${one.entered_by.map(personName).join(", ")}`,
    one.witnesses.length ? `there in time, as seen by ${one.witnesses.map(personName).join(", ")}` : "that it was in time says only who entered it",
  ];
  item.append(element("div", facts.join(" · "), "soft"));
  for (const seed of one.seeds.filter((each) => each.contradicted_by.length)) {
    item.append(element("div", `seed ${seed.seed}: ${seed.contradicted_by.map(personName).join(", ")} found something else`, "bad"));
  }
  return item;
}

function standingParts(found) {
  const list = element("ul", undefined, "list");
  list.append(...found.entrants.map((one) => entrantItem(one, found.seeds)));
  if (!found.entrants.length) return [element("h3", "Nobody has entered it yet")];
  const more = found.total > found.entrants.length ? [element("p", `${found.total} have entered; these are the first.`, "soft")] : [];
  const whole = found.whole ? [] : [element("p", "More entries are held here than were looked at.", "bad")];
  return [element("h3", found.state === "over" ? "How it ended, by what is known here" : "Who stands where"), list, ...more, ...whole];
}

function enterForm(path, query, again) {
  const form = element("form");
  form.dataset.acts = "";
  const genome = field(form, "Enter a genome: its id", element("input"));
  Object.assign(genome, { required: true, maxLength: 200, autocomplete: "off", spellcheck: false });
  const row = element("p");
  const enter = element("button", "Run it, and enter");
  const said = element("p");
  said.setAttribute("role", "status");
  row.append(enter);
  form.append(row, said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    enter.disabled = true;
    tell(said, "running it from every seed …");
    try {
      await post(`${path}/entries${query}`, { genome: genome.value.trim() });
      form.reset();
      await again();
      tell(said, "Entered, and signed.");
    } catch (error) {
      tell(said, error.message, true);
    } finally {
      enter.disabled = false;
    }
  });
  const place = element("div");
  place.append(form);
  fitLock(place);
  return place;
}

// As `drawRecord`: what it is, and its parts.
async function drawChallenge(id, namespace) {
  const path = `/api/challenges/${encodeURIComponent(id)}`;
  const query = namespace === "commons" ? "" : `?namespace=${encodeURIComponent(namespace)}`;
  const standing = () => getExact(`${path}/standing${query}`);
  const [one, found] = await Promise.all([getExact(`${path}${query}`), standing(), learnNames()]);
  const seeds = one.seeds.slice(0, SEEDS_NAMED).join(", ") + (one.seeds.length > SEEDS_NAMED ? `, and ${one.seeds.length - SEEDS_NAMED} more` : "");
  const place = element("div");
  place.append(...standingParts(found));
  const again = async () => place.replaceChildren(...standingParts(await standing()));
  const parts = [
    element("p", `challenge, ${CHALLENGE_STATES[one.state]}`, "soft"),
    ...(one.description ? [element("p", one.description)] : []),
    listedFacts([
      ["called for by", [personName(one.author), ...one.also_by.map(personName)].join(", ")],
      ["opens", moment(one.opens_at)], ["ends", moment(one.deadline_at)],
      ["judged by", `${one.module} ${one.version}`], ["seeds", seeds], ["ticks", one.ticks],
      ["tags", one.tags.join(", ")], ["id", one.id],
    ]),
    ...(one.reworded ? [element("p", "Its words changed after it had opened; what is judged did not.", "bad")] : []),
    place,
    ...(one.state === "open" ? [enterForm(path, query, again)] : []),
    ...(one.rules ? [element("h3", "Rules"), element("pre", one.rules)] : []),
  ];
  return { one, parts };
}

let waitingForChallenges;
function showChallengesAgain() {
  if (document.hidden || byId("challenges").contains(document.activeElement)) return;
  clearTimeout(waitingForChallenges);
  waitingForChallenges = setTimeout(showChallenges, 1000);
}

showChallenges();
