// A module on the node's page, opened: warnings, what an update brings, versions, history, readme.
"use strict";

function moduleDetails(id) {
  const more = element("details");
  more.append(element("summary", "Readme, versions and history"));
  more.addEventListener("toggle", () => showModule(more, id), { once: true });
  return more;
}

function versionItem(version) {
  const states = [version.yanked && ["yanked", version.yank_reason], version.deprecated && ["deprecated", version.deprecation]];
  const said = states.filter(Boolean).map((state) => state.filter(Boolean).join(": ")).join(", ");
  const item = element("li", `${version.version}, ${version.published_at.slice(0, 10)}`);
  if (said) item.append(element("div", said, "bad"));
  return item;
}

function eventItem(event) {
  const item = element("li", `${event.at.slice(0, 10)} ${event.words || "nothing that shows"}`);
  const said = event.counts ? `by ${event.who}, entry ${event.entry.slice(0, 16)}` : `does not count: ${event.why}`;
  item.append(element("div", said, event.counts ? "soft" : "bad"));
  return item;
}

function listed(title, items) {
  const list = element("ul", "", "list");
  list.append(...items);
  return items.length ? [element("h3", title), list] : [];
}

// What an update would bring stands first: it is what people want to know before they type it.
async function showModule(more, id) {
  const path = `/api/modules/${encodeURIComponent(id)}`;
  try {
    const [module, told, said, installed, trend, rated] = await Promise.all([
      get(path), get(`${path}/history`), get(`/api/advisories?module=${encodeURIComponent(id)}`), get("/api/installed"),
      get(`${path}/trends`), get(`${path}/ratings`),
    ]);
    const full = `${module.author_did}/${module.id}`;
    const here = installed.installed.find((one) => one.id === full && one.version !== module.latest_version);
    const since = here ? `?since=${encodeURIComponent(here.version)}` : "";
    const changes = await get(`${path}/versions/${encodeURIComponent(module.latest_version)}/changes${since}`);
    const warnings = said.advisories.filter((one) => !one.withdrawn);
    more.append(
      ...listed("Said against it", warnings.map((one) => element("li", `${one.kind}, ${one.range}: ${one.title} (by ${one.author})`, "bad"))),
      ...listed(`From ${changes.before} to ${changes.after}`, changes.words.map((line) => element("li", line))),
      ...listed("Versions", module.versions.toReversed().map(versionItem)),
      ...listed("Signed history", told.events.toReversed().map(eventItem)),
      ...listed("Proof that a device signed two things as one", told.equivocations.map((fork) => element("li", `${fork.who}, number ${fork.seq}`, "bad"))),
    );
    more.append(...trendParts(trend), ...ratingParts(rated, path, module.name || module.id));
    if (module.readme) more.append(element("h3", "Readme"), element("pre", module.readme));
  } catch (error) {
    more.append(element("p", error.message, "bad"));
  }
}
