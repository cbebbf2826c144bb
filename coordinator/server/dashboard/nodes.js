// The nodes: each as a row while that can be read, beyond that the odd ones, the slowest, and how speeds are spread.

import { histogram } from "./charts.js";
import { busy } from "./fleet.js";
import {
  badge, byId, bytes, byteUnit, capital, count, element, fill, keyed, median, meter, printable, put, rate, rebadge,
} from "./text.js";

/** As many nodes have a row each; of more, so many rows are shown. */
const ROWS_MAX = 60;
const ROWS_OF_MANY = 40;
/** A node is slow below this share of the fleet's median speed. */
const SLOW = 0.5;
const STATES = ["active", "silent", "draining"];

let last = [];

byId("search").addEventListener("input", () => showNodes(last));

export function showNodes(nodes) {
  last = nodes;
  const speeds = nodes.map((node) => node.bytes_per_second).filter((speed) => speed > 0);
  const usual = median(speeds);
  const isSlow = (speed) => speed > 0 && speed < usual * SLOW;
  const isMany = nodes.length > ROWS_MAX;
  showStates(nodes, nodes.filter((node) => isSlow(node.bytes_per_second)).length);
  byId("search").hidden = !isMany;
  byId("speeds-box").hidden = !isMany;
  if (isMany) showSpeeds(speeds, usual, isSlow);
  const rows = isMany ? chosen(nodes, isSlow) : nodes;
  const fastest = Math.max(1, ...speeds);
  const body = byId("nodes").tBodies[0];
  keyed(body, rows, (node) => node.name, makeRow, (row, node) => {
    updateRow(row, node, node.bytes_per_second / fastest, isSlow(node.bytes_per_second));
  });
  byId("nodes").hidden = rows.length === 0;
  byId("nodes-empty").hidden = rows.length > 0;
  put(
    byId("nodes-empty"),
    nodes.length > 0 ? "No node has such a name." : "No nodes yet: start one with zipfleet node --coordinator HOST:PORT",
  );
}

export const redrawNodes = () => showNodes(last);

function showStates(nodes, slow) {
  const states = STATES.map((state) => [state, nodes.filter((node) => node.state === state).length]);
  const shown = [...states, ["slow", slow]].filter(([, number]) => number > 0);
  keyed(byId("node-states"), shown, ([state]) => state, makeState, (item, [state, number]) => {
    put(item.lastElementChild.lastElementChild, `${count(number)} ${state}`);
  });
}

function makeState([state]) {
  const item = element("li");
  item.append(badge(state));
  return item;
}

function showSpeeds(speeds, usual, isSlow) {
  const slow = speeds.filter(isSlow).length;
  const told = slow > 0 ? `; ${count(slow)} below half of it` : "; none below half of it";
  put(byId("speeds-text"), speeds.length > 0 ? `median ${rate(usual)}${told}` : "none is measured yet");
  histogram(byId("speeds"), speeds, {
    label: rate,
    unit: byteUnit(Math.max(0, ...speeds)),
    isOdd: isSlow,
    mark: usual > 0 ? { value: usual, text: "median" } : undefined,
  });
}

/** Of many nodes those to look at: first the ones that are not active, then the slowest; or those searched for. */
function chosen(nodes, isSlow) {
  const wanted = byId("search").value.trim().toLowerCase();
  const found = wanted ? nodes.filter((node) => node.name.toLowerCase().includes(wanted)) : nodes;
  const oddness = (node) =>
    node.state === "silent" ? 0 : node.state === "draining" ? 1 : isSlow(node.bytes_per_second) ? 2 : 3;
  const sorted = [...found].sort(
    (one, other) =>
      oddness(one) - oddness(other) ||
      one.bytes_per_second - other.bytes_per_second ||
      (one.name < other.name ? -1 : 1),
  );
  const rows = sorted.slice(0, ROWS_OF_MANY);
  const which = wanted ? "found" : "nodes, those that are not active first, then the slowest";
  const note = byId("nodes-note");
  put(note, `${count(rows.length)} of ${count(found.length)} ${which}`);
  note.hidden = rows.length === 0;
  return rows;
}

function makeRow(node) {
  const row = element("tr");
  const head = element("th", "node", printable(node.name));
  head.scope = "row";
  head.title = printable(node.name);
  row.badge = badge(node.state);
  row.speed = meter();
  row.told = element("span", "told");
  row.window = meter();
  row.held = element("span", "told");
  const cell = (kind, ...content) => {
    const made = element("td", kind);
    made.append(...content);
    row.append(made);
    return made;
  };
  row.append(head);
  cell("", row.badge);
  cell("speed", row.speed, row.told);
  row.attempts = cell("number");
  cell("wide speed", row.window, row.held);
  row.queued = cell("number wide");
  row.requests = cell("number wide");
  row.cores = cell("number wide");
  row.memory = cell("number wide");
  row.version = cell("wide");
  return row;
}

function updateRow(row, node, share, isSlow) {
  const { state, vitals } = node;
  rebadge(row.badge, state === "active" && isSlow ? "slow" : state);
  row.badge.title = isSlow ? `${capital(state)}, but slower than half the median` : "";
  row.classList.toggle("odd", isSlow || state !== "active");
  fill(row.speed, share);
  put(row.told, node.bytes_per_second > 0 ? rate(node.bytes_per_second) : "–");
  put(row.attempts, count(node.attempts));
  fill(row.window, vitals.left_bytes / node.body_budget_bytes);
  put(row.held, bytes(vitals.left_bytes));
  put(row.queued, bytes(node.queued_bytes));
  put(row.requests, count(vitals.concurrency));
  // Systems other than Linux tell neither.
  const cores = vitals.resident_bytes > 0 ? busy(node.name) : undefined;
  put(row.cores, `${cores === undefined ? "–" : cores.toFixed(2)} of ${count(node.cores)}`);
  put(row.memory, vitals.resident_bytes > 0 ? bytes(vitals.resident_bytes) : "–");
  put(row.version, printable(node.version));
}
