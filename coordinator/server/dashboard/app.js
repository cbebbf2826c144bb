// The page: which view is shown, how it is kept up to date, and what the keyboard does.

import { Refused, dropToken, get, hasToken, keepToken } from "./api.js";
import { forgetColours } from "./charts.js";
import { drawPace, remember, showFleet } from "./fleet.js";
import { enterJob, redrawJob, refreshJob, showMissing } from "./job.js";
import { beginAnew, jobsPath, setUpJobs, showJobs } from "./jobs.js";
import { redrawNodes, showNodes } from "./nodes.js";
import { byId, duration, put } from "./text.js";

/** Pause between two looks, in milliseconds; longer where a look takes long, so that it is a fifth of the time. */
const PAUSE_MS = 1_000;
const SHARE = 4;
/** Longest pause while the coordinator cannot be reached, in milliseconds. */
const BACKOFF_MS = 30_000;

let route = "";
/** Ends what the present view has under way. */
let leaving = new AbortController();
let timer;
let failures = 0;
let seen;
let opener;

const say = (text) => put(byId("said"), text);

/** Shows what the address asks for. */
function go() {
  const job = /^#\/jobs\/([^/]+)$/.exec(location.hash)?.[1];
  const wanted = job ? `job ${job}` : "overview";
  if (wanted !== route) {
    const isFirst = route === "";
    route = wanted;
    byId("overview").hidden = true;
    byId("job").hidden = true;
    document.title = "zipfleet";
    if (job) enterJob(decode(job), say, show);
    // The first page has its focus where the person put it.
    if (!isFirst) focusAfter(job);
  }
  start();
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function focusAfter(job) {
  requestAnimationFrame(() => {
    show();
    if (job) byId("job-title").focus();
    else (document.querySelector(`a[href="${CSS.escape(opener ?? "")}"]`) ?? byId("main")).focus();
    window.scrollTo(0, 0);
  });
}

function show() {
  byId("token").hidden = true;
  byId("overview").hidden = route !== "overview";
  byId("job").hidden = route === "overview";
}

/** Begins to look anew, at once; what was under way ends. */
function start() {
  clearTimeout(timer);
  leaving.abort();
  leaving = new AbortController();
  if (!document.hidden) turn(leaving.signal);
}

/** Looks once, and again after a while. Never twice at a time: the next begins when this has ended. */
async function turn(signal) {
  const began = performance.now();
  let pause;
  try {
    const more = route === "overview" ? await refreshOverview(signal) : await refreshJob(signal);
    pause = Math.max(PAUSE_MS, (performance.now() - began) * SHARE) + more;
    found();
  } catch (error) {
    if (signal.aborted) return;
    pause = failed(error);
  }
  if (!signal.aborted && pause !== undefined) timer = setTimeout(() => turn(signal), pause);
}

async function refreshOverview(signal) {
  const nodes = await get("v1/nodes", signal);
  const jobs = await get(jobsPath(), signal).catch((error) => {
    // The jobs before this page are forgotten, and with them where it begins.
    if (error.status !== 404 || !beginAnew()) throw error;
    return get(jobsPath(), signal);
  });
  remember(nodes);
  show();
  showFleet(nodes);
  showJobs(jobs);
  showNodes(nodes);
  return 0;
}

function found() {
  if (failures > 0) say("The coordinator is there again");
  failures = 0;
  seen = Date.now();
  show();
  document.body.dataset.link = "up";
  byId("lost").hidden = true;
  put(byId("link-text"), "Live");
}

/** Says what is wrong; returns how long to wait before another try, if there is to be one. */
function failed(error) {
  if (!(error instanceof Refused)) {
    console.error(error);
    error = new Refused(undefined, "Its answer is not understood: reload this page.");
  }
  if (error.status === 401) {
    askForToken();
    return undefined;
  }
  if (route !== "overview" && [400, 403, 404].includes(error.status)) {
    found();
    showMissing(error.message);
    return BACKOFF_MS;
  }
  failures += 1;
  const pause = Math.min(BACKOFF_MS, PAUSE_MS * 2 ** (failures - 1)) * (0.8 + 0.4 * Math.random());
  document.body.dataset.link = "down";
  put(byId("link-text"), "Not connected");
  byId("lost").hidden = false;
  const isGone = error.status === 0;
  put(byId("lost-what"), isGone ? "The coordinator cannot be reached." : "The coordinator gives no answer to this.");
  const old = seen ? ` What is shown is of ${duration(Date.now() - seen)} ago.` : "";
  put(byId("lost-why"), `${error.message}${old} The next try is in ${Math.max(1, Math.round(pause / 1000))} s.`);
  if (failures === 1) say(byId("lost-what").textContent);
  return pause;
}

function askForToken() {
  const wasRefused = hasToken();
  dropToken();
  document.body.dataset.link = "";
  put(byId("link-text"), "Token needed");
  byId("lost").hidden = true;
  byId("overview").hidden = true;
  byId("job").hidden = true;
  byId("token").hidden = false;
  const usual = "This coordinator answers only to those with a token.";
  put(byId("token-why"), wasRefused ? "The coordinator does not know this token: check it and try again." : usual);
  byId("token-text").focus();
}

function setUpToken() {
  byId("token").addEventListener("submit", (event) => {
    event.preventDefault();
    keepToken(byId("token-text").value.trim());
    byId("token-text").value = "";
    start();
  });
}

const THEMES = ["system", "dark", "light"];

function setTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  put(byId("theme"), `Theme: ${theme}`);
  redraw();
}

function setUpTheme() {
  const kept = localStorage.getItem("zipfleet-theme");
  setTheme(THEMES.includes(kept) ? kept : "system");
  byId("theme").addEventListener("click", nextTheme);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

function nextTheme() {
  const now = document.documentElement.dataset.theme ?? "system";
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  localStorage.setItem("zipfleet-theme", next);
  setTheme(next);
}

/** Draws anew what is drawn in colours and measures of the page. */
function redraw() {
  forgetColours();
  if (!byId("overview").hidden) {
    drawPace();
    redrawNodes();
  } else if (!byId("job").hidden) redrawJob();
}

function setUpKeys() {
  byId("help").addEventListener("click", () => byId("keys").showModal());
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("input, textarea, select");
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
    if (event.key === "Escape") back(event.target);
    if (isTyping) return;
    const does = {
      "?": () => byId("keys").showModal(), t: nextTheme, j: () => stepJob(1), k: () => stepJob(-1),
      "/": () => byId("search").focus(),
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });
}

function back(from) {
  if (from.id === "search") from.blur();
  else if (route !== "overview") location.hash = "#/";
}

function stepJob(by) {
  const links = [...document.querySelectorAll("#overview:not([hidden]) #jobs tbody a")];
  const now = links.indexOf(document.activeElement);
  links[now < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, now + by))]?.focus();
}

setUpJobs(start);
setUpTheme();
setUpToken();
setUpKeys();
byId("retry").addEventListener("click", start);
byId("jobs").addEventListener("click", (event) => {
  opener = event.target.closest("a")?.getAttribute("href") ?? opener;
});
window.addEventListener("hashchange", go);
document.addEventListener("visibilitychange", start);
new ResizeObserver(redraw).observe(byId("main"));
go();
