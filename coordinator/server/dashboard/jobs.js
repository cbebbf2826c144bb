// The jobs, a page of them at a time.

import {
  address, ago, badge, byId, choice, count, duration, element, fill, keyed, meter, moment, percent, printable, put,
  rate, rebadge, rough, words,
} from "./text.js";

const PAGE = 20;
const STATES = [
  ["", "All"], ["waiting", "Waiting"], ["running", "Running"], ["completed", "Completed"], ["failed", "Failed"],
  ["cancelled", "Cancelled"],
];

let state = "";
/** Where each page up to the one that is shown begins, as the API says it. */
let pages = [""];
let next;

/** Has `changed` called when other jobs are to be shown. */
export function setUpJobs(changed) {
  choice(byId("filter"), STATES, state, (chosen) => {
    state = chosen;
    pages = [""];
    changed();
  });
  byId("older").addEventListener("click", () => {
    if (next !== undefined) pages.push(next);
    changed();
  });
  byId("newer").addEventListener("click", () => {
    if (pages.length > 1) pages.pop();
    changed();
  });
}

/** Where the API has the jobs to be shown. */
export function jobsPath() {
  const query = new URLSearchParams({ limit: PAGE });
  if (state) query.set("state", state);
  if (pages.at(-1)) query.set("after", pages.at(-1));
  return `v1/jobs?${query}`;
}

/** Goes back to the first page, if another is shown. */
export function beginAnew() {
  const isFirst = pages.length === 1;
  pages = [""];
  return !isFirst;
}

export function showJobs(page) {
  next = page.next ?? undefined;
  const table = byId("jobs");
  keyed(table.tBodies[0], page.jobs, (job) => job.id, makeRow, updateRow);
  table.hidden = page.jobs.length === 0;
  byId("jobs-empty").hidden = page.jobs.length > 0;
  put(byId("jobs-empty"), state ? `No ${state} jobs.` : "No jobs yet: zipfleet submit s3://bucket/folder/ s3://bucket/archive.zip");
  byId("pager").hidden = pages.length === 1 && next === undefined;
  byId("newer").disabled = pages.length === 1;
  byId("older").disabled = next === undefined;
  put(byId("page"), `Page ${count(pages.length)}`);
}

function makeRow(job) {
  const row = element("tr");
  const cell = (kind, ...content) => {
    const made = element("td", kind);
    made.append(...content);
    row.append(made);
    return made;
  };
  row.badge = badge(job.state);
  row.link = element("a", "address");
  row.link.href = `#/jobs/${encodeURIComponent(job.id)}`;
  row.under = element("span", "under");
  row.bar = meter();
  row.share = element("span", "told");
  cell("", row.badge);
  cell("to", row.link, row.under);
  cell("done", row.bar, row.share);
  row.rate = cell("number wide");
  row.time = cell("number wide");
  row.priority = cell("wide");
  row.owner = cell("wide cut");
  row.submitted = cell("number wide");
  return row;
}

function updateRow(row, job) {
  const { progress, outcome } = job;
  const summary = outcome?.completed;
  rebadge(row.badge, job.state);
  address(row.link, job.destination);
  const share = summary ? 1 : progress.bytes_planned > 0 ? progress.bytes_done / progress.bytes_planned : 0;
  fill(row.bar, share);
  row.bar.dataset.state = job.state;
  put(row.share, summary ? "100 %" : percent(progress.bytes_done, progress.bytes_planned));
  const isGoing = job.state === "running" && progress.bytes_per_second > 0;
  put(row.rate, isGoing ? rate(progress.bytes_per_second) : summary ? rate(mean(summary)) : "–");
  put(row.time, summary ? duration(summary.total_ms) : progress.left_ms !== null && isGoing ? `${rough(progress.left_ms)} left` : "–");
  put(row.priority, words(job.priority));
  put(row.owner, job.owner ? printable(job.owner) : "–");
  put(row.submitted, ago(job.submitted_ms));
  row.submitted.title = moment(job.submitted_ms);
  put(row.under, `${row.time.textContent === "–" ? "" : `${row.time.textContent} · `}${row.submitted.textContent}`);
}

/** Bytes a second from when the job began to its end. */
export const mean = (summary) => (summary.bytes * 1000) / Math.max(1, summary.total_ms - summary.waiting_ms);
