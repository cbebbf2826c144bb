// One job: how far it has come, how it ended, its timeline, and what happened meanwhile.

import { events, get } from "./api.js";
import { colour, fresh, histogram } from "./charts.js";
import { LEVELS, Lines, drawBar } from "./draw.js";
import { mean } from "./jobs.js";
import {
  address, attribute, badge, byId, bytes, capital, choice, count, duration, element, facts, fill, keyed, mark, moment,
  percent, printable, put, rate, rebadge, rough, words,
} from "./text.js";
import { SLOW, analyse, describeRow, inOrder, verdict } from "./timeline.js";

/** Beyond so many nodes rows are strips unless wanted otherwise, and the table tells of the slowest alone. */
const ROWS_MAX = 60;
const SHARES_OF_MANY = 20;
/** Decisions shown, the last ones first. */
const STORY_MAX = 100;
/** Pause before a stream that broke off is asked for again, in milliseconds, at first and at most. */
const AGAIN_MS = [1_000, 30_000];

const state = badge("waiting");
byId("job-state").append(state);
const lines = new Lines({
  box: byId("lines"), tall: byId("lines-tall"), canvas: byId("lines-canvas"), detail: byId("detail"),
  say: (text) => current.say(text),
});
let order = "slowness";
let look;
let current = {};

choice(byId("order"), [["slowness", "Slowest first"], ["name", "By name"]], order, (chosen) => {
  order = chosen;
  showTimeline();
});
choice(byId("look"), [["bars", "Bars"], ["strips", "Strips"]], "bars", (chosen) => {
  look = chosen;
  showTimeline();
});
for (const [label, name, act] of [
  ["−", "Zoom out", () => lines.zoom(1 / 1.5)], ["+", "Zoom in", () => lines.zoom(1.5)], ["Fit", "Fit all", () => lines.fit()],
]) {
  const button = element("button", "", label);
  button.type = "button";
  button.setAttribute("aria-label", name);
  button.addEventListener("click", act);
  byId("zoom").append(button);
}

/** Begins anew with a job; `say` is for what everybody should hear, `show` to be called when there is something. */
export function enterJob(id, say, show) {
  current = { id, say, show, story: new Map(), turns: 0 };
  look = undefined;
  state.hidden = true;
  lines.forget();
  byId("job-body").hidden = true;
  byId("job-missing").hidden = true;
  byId("job-title").removeAttribute("title");
  put(byId("job-title"), `Job ${printable(id)}`);
  put(byId("job-meta"), "");
  showStory();
}

/** One look at the job; returns how long the next can wait beyond the usual, in milliseconds. */
export async function refreshJob(signal) {
  const of = current;
  const path = `v1/jobs/${encodeURIComponent(of.id)}`;
  const hadEnded = of.job && of.job.outcome !== null;
  if (!hadEnded) {
    const job = await get(path, signal);
    of.show();
    showJob(job);
    if (!of.job.outcome && !of.isWatched) watch(of, path, signal);
  } else if (of.isComplete) {
    // Nothing changes any more; asked for only to know that the coordinator is there.
    await get("healthz", signal);
    return 9_000;
  }
  if (!hadEnded || !of.isComplete) {
    await refreshTimeline(of, path, signal);
    if (of.turns % 3 === 0 || of.job.outcome) await refreshReport(of, path, signal);
  }
  of.turns += 1;
  of.isComplete = of.job.outcome !== null && hadEnded;
  return 0;
}

async function refreshTimeline(of, path, signal) {
  of.timeline = await get(`${path}/timeline`, signal);
  of.analysis = analyse(of.timeline);
  showTimeline();
}

async function refreshReport(of, path, signal) {
  of.report = await get(`${path}/report?entries=false`, signal);
  for (const decision of of.report.decisions) note(of, decision);
  showFacts();
  showStory();
}

/** Follows a job's events until it has ended or is left; whatever breaks off meanwhile. */
async function watch(of, path, signal) {
  of.isWatched = true;
  let [pause, most] = AGAIN_MS;
  while (!signal.aborted && !of.job.outcome) {
    try {
      await events(`${path}/events`, of.lastId, (name, data, id) => {
        if (of !== current) return;
        of.lastId = id || of.lastId;
        pause = AGAIN_MS[0];
        if (name === "progress" && !of.job.outcome) showJob({ ...of.job, progress: data });
        if (name === "problem" && note(of, data)) showStory();
        if (name === "ended") showJob(data);
      }, signal);
    } catch (error) {
      // The polls tell when the coordinator is gone; a stream alone may be refused for being one too many.
      if (signal.aborted) break;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(most, pause * 2);
  }
  of.isWatched = false;
}

export function showMissing(why) {
  byId("job-body").hidden = true;
  byId("job-missing").hidden = false;
  put(byId("job-missing"), why);
}

export function redrawJob() {
  if (current.analysis) showTimeline();
  drawLegend();
}

function showJob(job) {
  const before = current.job;
  current.job = job;
  byId("job-body").hidden = false;
  byId("job-missing").hidden = true;
  address(byId("job-title"), job.destination);
  state.hidden = false;
  rebadge(state, job.state);
  document.title = `${capital(job.state)} · ${printable(job.destination)} · zipfleet`;
  const owner = job.owner ? ` · for ${printable(job.owner)}` : "";
  put(byId("job-meta"), `Job ${printable(job.id)} · ${words(job.priority)} priority${owner} · submitted ${moment(job.submitted_ms)}`);
  const share = job.state === "completed" ? 1 : job.progress.bytes_done / Math.max(1, job.progress.bytes_planned);
  const bar = byId("job-progress");
  fill(bar, share);
  bar.dataset.state = job.state;
  attribute(bar, "aria-valuenow", Math.floor(share * 100));
  showFacts();
  showOutcome(job.outcome);
  if (before && !before.outcome && job.outcome) current.say(`The job has ended: ${job.state}`);
}

function showFacts() {
  const { job, report } = current;
  const { progress, outcome } = job;
  const summary = outcome?.completed;
  const items = [
    ["Done", percent(progress.bytes_done, progress.bytes_planned), stage(job)],
    ["Bytes", bytes(progress.bytes_done), `of ${bytes(progress.bytes_planned)}`],
    ["Parts", count(progress.parts_done), `of ${count(progress.parts_planned)}`],
    ["Entries", count(progress.entries), ""],
  ];
  if (summary) items.push(["Rate", rate(mean(summary)), "on average"], ["Took", duration(summary.total_ms), phases(summary)]);
  else if (!outcome) {
    items.push(["Rate", rate(progress.bytes_per_second), "of late"]);
    items.push(["Time left", progress.left_ms === null ? "–" : rough(progress.left_ms), `${rough(Math.max(0, Date.now() - job.submitted_ms))} so far`]);
  }
  if (report) items.push(requests(report));
  facts(byId("job-facts"), items);
}

const stage = (job) => (job.outcome ? "" : words(job.progress.stage));

const phases = (summary) => `listed in ${duration(summary.listing_ms)}${summary.waiting_ms >= 100 ? `, waited ${duration(summary.waiting_ms)}` : ""}`;

function requests({ requests, price_usd: price }) {
  const kinds = Object.values(requests).filter((kind) => typeof kind === "object");
  const sum = (name) => kinds.reduce((all, kind) => all + kind[name], 0);
  const throttled = sum("throttled");
  const cost = `$${price.toFixed(price < 0.1 ? 4 : 2)}`;
  return ["Requests", count(sum("sent")), throttled ? `${cost}; ${count(throttled)} told to slow down` : cost];
}

function showOutcome(outcome) {
  const box = byId("job-outcome");
  box.hidden = !outcome;
  if (!outcome || box.dataset.of === current.id) return;
  box.dataset.of = current.id;
  const { completed, failed } = outcome;
  box.classList.toggle("is-bad", !!failed);
  const list = element("dl", "facts small");
  if (completed) {
    const skipped = completed.skipped_count + completed.left_out_count;
    box.replaceChildren(list, ...completed.warnings.map((warning) => element("p", "warning", printable(warning))));
    facts(list, [
      ["Size", bytes(completed.bytes), `${count(completed.bytes)} bytes`],
      ["CRC-32", completed.crc32.toString(16).padStart(8, "0"), "verified by S3"],
      ["ETag", printable(completed.etag).replaceAll('"', "")],
      ["Left out", count(skipped), completed.skipped_count ? `${count(completed.skipped_count)} for their names` : ""],
    ]);
  } else {
    const { failure, left_behind: left } = failed;
    const why = element("p");
    why.append(element("strong", "", `${capital(words(failure.kind))}. `), printable(failure.message));
    box.replaceChildren(why, ...left.map((rest) => element("p", "warning", printable(rest))));
  }
}

function showTimeline() {
  const { analysis } = current;
  if (!analysis) return;
  const isMany = analysis.rows.length > ROWS_MAX;
  const chosen = look ?? (isMany ? "strips" : "bars");
  mark(byId("look"), chosen);
  put(byId("verdict"), analysis.rows.length > 0 ? verdict(analysis) : "No attempts yet.");
  byId("verdict").classList.toggle("is-slow", analysis.rows.some((row) => row.isSlow));
  byId("lines").hidden = analysis.rows.length === 0;
  lines.show(inOrder(analysis.rows, order), analysis, chosen === "strips");
  byId("medians-box").hidden = !isMany;
  if (isMany) showMedians(analysis);
  if (byId("legend").dataset.look !== chosen) {
    byId("legend").dataset.look = chosen;
    drawLegend();
  }
  showShares(analysis, isMany);
}

function showMedians({ rows, usual }) {
  const values = rows.map((row) => row.median).filter((value) => value > 0);
  const slow = rows.filter((row) => row.isSlow).length;
  put(byId("medians-text"), `Median part by node; ${slow > 0 ? count(slow) : "none"} beyond twice the fleet’s ${duration(usual)}`);
  histogram(byId("medians"), values, {
    label: duration, unit: 1000, isOdd: (value) => value > usual * SLOW,
    mark: usual > 0 ? { value: usual * SLOW, text: "twice the fleet’s" } : undefined,
  });
}

function showShares({ rows }, isMany) {
  const shown = inOrder(rows, order).slice(0, isMany ? SHARES_OF_MANY : ROWS_MAX);
  byId("shares-note").hidden = !isMany;
  put(byId("shares-note"), `${count(shown.length)} of ${count(rows.length)} nodes, ${order === "name" ? "by name" : "the slowest first"}`);
  byId("shares").hidden = rows.length === 0;
  byId("shares-empty").hidden = rows.length > 0;
  put(byId("shares-empty"), "No node has had to do with it yet.");
  keyed(byId("shares").tBodies[0], shown, (row) => row.name, makeShare, (made, row) => {
    const told = [
      row.median > 0 ? duration(row.median) : "–", count(row.done), count(row.open), count(row.stolen), count(row.hedges),
      count(row.dropped), count(row.failed + row.lost),
    ];
    told.forEach((text, at) => put(made.children[at + 1], text));
    made.classList.toggle("odd", row.isSlow);
    made.slow.hidden = !row.isSlow;
    put(made.slow.lastElementChild, `Slow ${row.ratio.toFixed(1)}×`);
    made.title = describeRow(row);
  });
}

function makeShare(row) {
  const made = element("tr");
  const head = element("th", "node");
  head.scope = "row";
  made.slow = badge("slow");
  head.append(element("span", "cut", printable(row.name)), made.slow);
  made.append(head, element("td", "number"), element("td", "number"), element("td", "number"));
  made.append(element("td", "number wide"), element("td", "number wide"), element("td", "number wide"), element("td", "number"));
  return made;
}

/** Takes in a decision; returns whether it is new. */
function note(of, decision) {
  const [[kind, about]] = Object.entries(decision.what);
  // Alike steals are told as one, whose number grows.
  const key = kind === "stole" ? `${decision.at_ms} stole ${about.thief} ${about.victim}` : JSON.stringify(decision);
  const isNew = !of.story.has(key);
  of.story.set(key, { key, at: decision.at_ms, kind, said: SAYS[kind]?.(about) ?? words(kind) });
  return isNew;
}

const would = (ms) => (ms === null ? "would be done at no known time" : `would be done in ${duration(ms)}`);
const wouldHave = (ms) => (ms === null ? "would have been done at no known time" : `would have been done in ${duration(ms)}`);
const parts = (number) => `${count(number)} ${number === 1 ? "part" : "parts"}`;
const SAYS = {
  stole: (it) => `${it.thief} stole ${parts(it.parts)} from ${it.victim}, which ${wouldHave(it.victim_left_ms)}`,
  hedged: (it) => `${it.node} makes part ${count(it.part)} too: ${it.slow} ${would(it.slow_left_ms)}`,
  won: (it) => `${it.node} was the first with part ${count(it.part)}`,
  silent: (it) => `${it.node} has not been heard of for ${duration(it.silent_ms)}; ${parts(it.queued)} of its queue went to others`,
  cut_off: (it) => `The connection to ${it.node} broke; ${parts(it.queued)} of its queue went to others`,
  lost: (it) => `${it.node} was lost with ${count(it.attempts)} attempts, which are made again`,
  draining: (it) => `${it.node} drains; ${parts(it.queued)} of its queue went to others`,
  joined: (it) => `${it.node} joined`,
  failed: (it) => `Part ${count(it.part)} failed on ${it.node} and is made again: ${it.why}`,
};
const PROBLEMS = ["silent", "cut_off", "lost", "failed"];

function showStory() {
  const all = [...current.story.values()].sort((one, other) => other.at - one.at);
  byId("story-empty").hidden = all.length > 0;
  keyed(byId("story"), all.slice(0, STORY_MAX), (told) => told.key, makeTold, (item, told) => {
    put(item.lastElementChild, printable(told.said));
  });
}

function makeTold(told) {
  const item = element("li", PROBLEMS.includes(told.kind) ? "is-problem" : "");
  item.append(element("time", "", `${(told.at / 1000).toFixed(1)} s`), element("span"));
  return item;
}

function drawLegend() {
  const bar = (end, origin = "granted") => ({ end, origin });
  const isStrips = byId("legend").dataset.look === "strips";
  const ends = isStrips
    ? LEVELS.map((level, at) => [{ level }, ["up to the median", "to 2×", "to 4×", "beyond 4× the fleet’s median"][at]])
    : [[bar("done"), "done"], [bar("open"), "open"], [bar("dropped"), "dropped"]];
  const rest = [[bar("failed"), "failed"], [bar("lost"), "lost"], [bar("done", "stolen"), "stolen"], [bar("done", "hedge"), "hedge"]];
  byId("legend").replaceChildren(
    ...[...ends, ...rest].map(([look, text]) => {
      const item = element("li");
      const canvas = element("canvas");
      canvas.setAttribute("aria-hidden", "true");
      item.append(canvas, element("span", "", text));
      requestAnimationFrame(() => swatch(canvas, look));
      return item;
    }),
  );
}

function swatch(canvas, look) {
  if (!canvas.clientWidth) return undefined;
  const { pen, width } = fresh(canvas);
  if (!look.level) return drawBar(pen, look, 1, 2, width - 2, 9);
  pen.fillStyle = colour(look.level);
  return pen.fillRect(1, 1, width - 2, 11);
}
