// What a timeline says: each node's attempts in lanes beside each other, and which nodes are slow.

import { count, duration, median, printable } from "./text.js";

/** A node is slow when its median part takes so many times the fleet's. */
export const SLOW = 2;
/** Attempts of a node drawn beside each other; what is open beyond that waits at the node. */
const LANES_MAX = 16;

/** The rows of a timeline, one a node, with what is known of each. */
export function analyse(timeline) {
  const rows = timeline.nodes.map((name, index) => ({ name, index, bars: [], lanes: 1 }));
  let end = 1;
  for (const bar of timeline.bars) {
    // A bar of a node without a name would be a defect of the coordinator, not a reason to show nothing.
    if (!rows[bar.node]) continue;
    end = Math.max(end, bar.ended_ms);
    const hasBegun = bar.end !== "open" && bar.began_ms < bar.ended_ms;
    rows[bar.node].bars.push({ ...bar, hasBegun, from: hasBegun ? bar.began_ms : bar.granted_ms });
  }
  const times = timeline.bars.filter((bar) => bar.end === "done").map((bar) => bar.ended_ms - bar.began_ms);
  const usual = median(times);
  for (const row of rows) measure(row, usual);
  return { rows, end, usual, done: times.length, unshown: timeline.unshown };
}

function measure(row, usual) {
  const of = (end) => row.bars.filter((bar) => bar.end === end).length;
  const from = (origin) => row.bars.filter((bar) => bar.origin === origin).length;
  row.done = of("done");
  row.open = of("open");
  row.dropped = of("dropped");
  row.failed = of("failed");
  row.lost = of("lost");
  row.stolen = from("stolen");
  row.hedges = from("hedge");
  // What has not come to its end tells something only when it has taken longer than others to theirs.
  const told = ({ end, hasBegun, from, ended_ms: ended }) =>
    end === "done" || ((end === "open" || (hasBegun && end === "dropped")) && ended - from > usual);
  row.median = median(row.bars.filter(told).map((bar) => bar.ended_ms - bar.from));
  row.ratio = usual > 0 ? row.median / usual : 0;
  row.isSlow = row.ratio > SLOW;
  lay(row);
}

/** Gives each bar the first lane that is free by then; the open ones, of whose begin nothing is known yet, after all. */
function lay(row) {
  row.bars.sort((one, other) => (one.end === "open") - (other.end === "open") || one.from - other.from);
  const free = [];
  for (const bar of row.bars) {
    let lane = free.findIndex((time) => time <= bar.from);
    if (lane < 0) lane = free.length < LANES_MAX ? free.length : earliest(free);
    if (bar.end === "open") {
      // It cannot have begun while all that its node does at a time was something else.
      const ended = earliest(free);
      if (ended >= 0 && free[ended] < bar.ended_ms && free[ended] > bar.from) lane = ended;
      bar.from = Math.max(bar.from, free[lane] ?? 0);
    }
    bar.lane = lane;
    free[lane] = Math.max(free[lane] ?? 0, bar.ended_ms);
  }
  row.lanes = Math.max(1, free.length);
}

const earliest = (free) => free.reduce((best, time, lane) => (best < 0 || time < free[best] ? lane : best), -1);

export function inOrder(rows, order) {
  const byName = (one, other) => (one.name < other.name ? -1 : 1);
  const bySlowness = (one, other) => other.ratio - one.ratio || byName(one, other);
  return [...rows].sort(order === "name" ? byName : bySlowness);
}

/** Whether a node is slow, in a sentence. */
export function verdict({ rows, usual, done, unshown }) {
  const rest = unshown > 0 ? ` ${count(unshown)} later attempts are not shown.` : "";
  if (done === 0) return `No part is done yet.${rest}`;
  const slow = inOrder(rows.filter((row) => row.isSlow), "slowness");
  if (slow.length === 0) {
    const most = Math.max(...rows.map((row) => row.ratio));
    return `No node is slow: the median part takes ${duration(usual)}, on the slowest node ${times(most)} as long.${rest}`;
  }
  const [first] = slow;
  const name = printable(first.name);
  if (slow.length === 1) {
    return `${name} is slow: its median part takes ${duration(first.median)}, ${times(first.ratio)} the fleet’s ${duration(usual)}.${rest}`;
  }
  return `${count(slow.length)} of ${count(rows.length)} nodes are slow: their median part takes more than twice the fleet’s ${duration(usual)}; on ${name}, ${duration(first.median)}.${rest}`;
}

export const times = (ratio) => `${ratio.toFixed(1)} times`;

const ORIGINS = { granted: "from its own queue", stolen: "stolen from another’s queue", hedge: "a hedge: another had it too" };
const ENDS = {
  open: "still open", done: "done", failed: "failed", lost: "lost with its node",
  dropped: "dropped: another came first, or it was handed back",
};

/** One attempt, in words. */
export function describe(row, bar) {
  const waited = bar.hasBegun && bar.began_ms > bar.granted_ms ? `, granted ${duration(bar.began_ms - bar.granted_ms)} before` : "";
  const span = bar.hasBegun
    ? `${at(bar.began_ms)} to ${at(bar.ended_ms)}, ${duration(bar.ended_ms - bar.began_ms)}${waited}`
    : bar.end === "open"
      ? `granted at ${at(bar.granted_ms)}, ${duration(bar.ended_ms - bar.granted_ms)} ago`
      : `granted at ${at(bar.granted_ms)}, never begun, ended at ${at(bar.ended_ms)}`;
  return `${printable(row.name)} · part ${count(bar.part)} · ${ENDS[bar.end]} · ${ORIGINS[bar.origin]} · ${span}`;
}

/** One node, in words. */
export function describeRow(row) {
  const median = row.median > 0 ? `median part ${duration(row.median)}, ${times(row.ratio)} the fleet’s` : "no part done";
  return `${printable(row.name)} · ${median}${row.isSlow ? " (slow)" : ""} · ${count(row.done)} done, ${count(row.open)} open`;
}

const at = (ms) => `${(ms / 1000).toFixed(ms < 100_000 ? 2 : 1)} s`;
