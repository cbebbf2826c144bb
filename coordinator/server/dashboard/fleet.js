// The fleet as a whole: what it moves, and how full it is.

import { area } from "./charts.js";
import { attribute, byId, bytes, byteUnit, count, facts, percent, put, rate } from "./text.js";

const MINUTE_MS = 60_000;
/** How far back the chart goes, in milliseconds, when there is so much to show. */
const SPAN_MS = 5 * MINUTE_MS;
/** Moments with a label, in minutes, by how many the chart goes back. */
const TICKS = [[], [1, 2 / 3, 1 / 3], [2, 1], [3, 2, 1], [4, 2], [5, 3, 1]];
/** What is moved now is what was moved in this time: nodes report in bursts. */
const NOW_MS = 4_000;
/** Requests to S3 by kind, as nodes count them. */
const KINDS = ["list", "head", "get", "create", "upload_part", "complete", "abort", "list_other", "put", "delete"];

/** What each node had moved when last seen, and the sum of what all have moved at moments since. */
let before = new Map();
let total = 0;
let moments = [];
/** What processor time each node had taken, at moments of late. */
let spent = new Map();

/** Takes in what nodes say they have moved, whether it is shown or not. */
export function remember(nodes) {
  const now = performance.now();
  const after = new Map();
  for (const { name, vitals } of nodes) {
    const was = before.get(name);
    // A node that began anew counts from 0, as one that was not seen before.
    if (was !== undefined && vitals.moved_bytes > was) total += vitals.moved_bytes - was;
    after.set(name, vitals.moved_bytes);
  }
  before = after;
  spent = new Map(nodes.map(({ name, vitals }) => {
    const looks = (spent.get(name) ?? []).filter(([when, ms]) => when >= now - NOW_MS && ms <= vitals.cpu_ms);
    return [name, [...looks, [now, vitals.cpu_ms]]];
  }));
  moments = moments.filter(([when]) => when >= now - SPAN_MS - NOW_MS);
  moments.push([now, total]);
}

/** Processors that a node keeps busy, `undefined` until that is known. */
export function busy(name) {
  const looks = spent.get(name) ?? [];
  if (looks.length < 2) return undefined;
  const [[since, past], [when, ms]] = [looks[0], looks.at(-1)];
  return (ms - past) / (when - since);
}

/** Bytes a second at each moment, as `[when, how much]`. */
function paces() {
  let first = 0;
  const found = [];
  for (const [when, sum] of moments) {
    while (moments[first + 1][0] <= when - NOW_MS && moments[first + 1][0] < when) first += 1;
    const [since, past] = moments[first];
    if (when > since) found.push([when, ((sum - past) * 1000) / (when - since)]);
    if (first + 1 >= moments.length) break;
  }
  return found;
}

export function drawPace() {
  const now = performance.now();
  const points = moments.length > 1 ? paces() : [];
  const unit = byteUnit(Math.max(1 << 20, ...points.map(([, value]) => value)));
  const minutes = Math.ceil(Math.min(SPAN_MS, Math.max(1, now - (moments[0]?.[0] ?? now))) / MINUTE_MS);
  const ticks = TICKS[minutes].map((past) => [
    now - past * MINUTE_MS, past < 1 ? `−${Math.round(past * 60)} s` : `−${past} min`,
  ]);
  ticks.push([now, "now"]);
  area(byId("pace"), points, { from: now - minutes * MINUTE_MS, to: now, label: rate, ticks, unit });
  const present = points.length > 0 ? rate(points.at(-1)[1]) : "–";
  put(byId("pace-now"), present);
  attribute(byId("pace"), "aria-label", `Throughput over the last ${minutes} min; now ${present}`);
}

const sum = (nodes, of) => nodes.reduce((all, node) => all + of(node), 0);

export function showFleet(nodes) {
  const budget = sum(nodes, (node) => node.body_budget_bytes);
  const held = sum(nodes, (node) => node.vitals.left_bytes);
  const queued = sum(nodes, (node) => node.queued_bytes);
  const attempts = sum(nodes, (node) => node.attempts);
  const requests = nodes.map((node) => node.vitals.requests);
  const sent = sum(requests, (counts) => sum(KINDS, (kind) => counts[kind].sent));
  const throttled = sum(requests, (counts) => sum(KINDS, (kind) => counts[kind].throttled));
  const failed = sum(requests, (counts) => sum(KINDS, (kind) => counts[kind].failed));
  const opened = sum(requests, (counts) => counts.connections_opened);
  const active = nodes.filter((node) => node.state === "active").length;
  const allowed = sum(nodes, (node) => node.vitals.concurrency);
  const reused = sent > 0 ? Math.max(0, sent - opened) / sent : undefined;
  facts(byId("fleet-facts"), [
    ["Nodes", count(nodes.length), nodes.length === 0 ? "none has joined" : nodes.length === active ? "all active" : `${count(active)} active`],
    ["In flight", bytes(held), budget > 0 ? `${percent(held, budget)} of ${bytes(budget)}` : "no window", budget > 0 ? held / budget : 0],
    ["Queued", bytes(queued), `${count(attempts)} attempts granted`],
    ["Requests allowed", count(allowed), `${count(sent)} sent so far`],
    ["Connections reused", reused === undefined ? "–" : `${(100 * reused).toFixed(1)} %`, "of all requests", reused],
    ["Slow down (503)", count(throttled), failed ? `${count(failed)} failed otherwise` : "no other failures"],
  ]);
  drawPace();
}
