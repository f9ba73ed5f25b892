// Shows what /lattice.json says, again and again. Every text goes in as a text, and never as markup.
"use strict";

const EVERY_MS = 2000;
const WAIT_MS = 10000;

const GOOD = new Set(["alive", "ready"]);
const WAIT = new Set(["starting", "draining", "leaving", "suspect"]);

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function kindOf(state) {
  return GOOD.has(state) ? "good" : WAIT.has(state) ? "wait" : "bad";
}

function card(title, state, lines) {
  const made = element("article", undefined, "card");
  const top = element("div", undefined, "top");
  top.append(element("h3", title));
  if (state) top.append(element("span", state, `state ${kindOf(state)}`));
  made.append(top);
  for (const line of lines.filter(Boolean)) made.append(element("p", line, "quiet"));
  return made;
}

function list(of, entry) {
  const made = element("ul");
  for (const one of of) made.append(entry(one));
  return made;
}

function replica(it) {
  const made = element("li");
  const top = element("div", undefined, "top");
  top.append(element("span", it.actor), element("span", it.state, `state ${kindOf(it.state)}`));
  made.append(top);
  if (it.limit > 0) {
    const load = element("meter");
    load.max = it.limit;
    load.high = it.limit * 0.9;
    load.value = it.running;
    load.title = `${it.running} of ${it.limit} calls in hand`;
    made.append(load);
  }
  const counts = `${it.running} in hand, ${it.waiting} wait`;
  made.append(element("p", counts, it.waiting > 0 ? "wait" : "quiet"));
  return made;
}

function node(it) {
  const labels = Object.entries(it.labels).map(([key, value]) => `${key}=${value}`);
  const made = card(it.node, it.state, [`${it.version}, epoch ${it.epoch}`, labels.join(" ")]);
  made.append(list(it.replicas, replica));
  return made;
}

function actor(it, running) {
  const made = element("li");
  const top = element("div", undefined, "top");
  const ready = running.get(it.actor) ?? 0;
  top.append(element("span", it.actor), element("span", `${ready} ready`, `state ${ready > 0 ? "good" : "bad"}`));
  made.append(top, element("p", `${it.what}, ${it.placement}`, "quiet"));
  for (const link of it.links) {
    const by = link.interface ? `${link.interface} \u2192 ` : "calls ";
    made.append(element("p", `${by}${link.to}`));
  }
  return made;
}

function app(it, seen, running) {
  const made = card(it.app, undefined, [`revision ${it.revision}`]);
  const held = seen.held[it.app];
  if (held) made.append(element("p", `as it was last known: ${held}`, "bad"));
  made.append(list(it.actors, (one) => actor(one, running)));
  return made;
}

function duration(micros) {
  if (micros === null) return "longer";
  if (micros < 1000) return `${micros} \u00b5s`;
  return micros < 1e6 ? `${(micros / 1000).toPrecision(3)} ms` : `${(micros / 1e6).toPrecision(3)} s`;
}

function operations(of) {
  const made = element("table");
  const head = element("tr");
  for (const title of ["operation", "calls", "mean", "99 of 100 within", "faults"]) head.append(element("th", title));
  made.append(head);
  for (const it of of) {
    const row = element("tr");
    const faults = Object.entries(it.faults).map(([kind, count]) => `${count} ${kind}`);
    row.append(
      element("td", `${it.interface} ${it.operation}`),
      element("td", it.calls),
      element("td", duration(it.mean_micros)),
      element("td", duration(it.p99_micros)),
      element("td", faults.join(", "), faults.length > 0 ? "bad" : "quiet"),
    );
    made.append(row);
  }
  return made;
}

function replace(id, parts, nothing) {
  const place = document.getElementById(id);
  place.replaceChildren(...(parts.length > 0 ? parts : [element("p", nothing, "quiet")]));
}

function show(seen) {
  const running = new Map();
  for (const { replicas, state } of seen.nodes) {
    if (state !== "alive") continue;
    for (const it of replicas.filter((one) => one.state === "ready")) {
      running.set(it.actor, (running.get(it.actor) ?? 0) + 1);
    }
  }
  document.title = `WRT: ${seen.lattice}`;
  document.getElementById("lattice").textContent = seen.lattice;
  replace("nodes", seen.nodes.map(node), "none");
  replace("apps", seen.apps.map((one) => app(one, seen, running)), "none is deployed");
  const shown = seen.operations.length > 0 ? [operations(seen.operations)] : [];
  replace("operations", shown, "none yet");
  const doubts = seen.is_isolated ? ", which doubts its own hearing" : "";
  const trouble = seen.desired_trouble ? `; the desired state cannot be read: ${seen.desired_trouble}` : "";
  tell(`as node ${seen.node} sees it${doubts}, ${new Date().toLocaleTimeString()}${trouble}`, doubts || trouble);
}

function tell(text, isBad) {
  const seen = document.getElementById("seen");
  seen.textContent = text;
  seen.className = isBad ? "bad" : "";
}

async function look() {
  try {
    const answer = await fetch("/lattice.json", { signal: AbortSignal.timeout(WAIT_MS) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    show(await answer.json());
  } catch (error) {
    tell(`the node does not answer (${error.message}): what is shown is old`, true);
  }
  setTimeout(look, EVERY_MS);
}

look();
