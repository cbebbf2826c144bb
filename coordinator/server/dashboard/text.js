// Numbers and names as people read them, and the few ways in which they get onto the page: all of them as text.

const whole = new Intl.NumberFormat("en");
const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
// What would hide, reorder or break a line: names come from anybody.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

export const count = (number) => whole.format(number);

/** Bytes with three digits, as the command line tells them: 7.50 GB. */
export function bytes(number) {
  let unit = 0;
  while (number >= 999.5 && unit < UNITS.length - 1) {
    number /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(number) : digits(number)} ${UNITS[unit]}`;
}

const digits = (number) => number.toFixed(number < 9.995 ? 2 : number < 99.95 ? 1 : 0);

export const rate = (bytesPerSecond) => `${bytes(bytesPerSecond)}/s`;

/** Milliseconds: 340 ms, 2.4 s, 3 min 20 s, 2 h 5 min. */
export function duration(ms) {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return two(Math.floor(seconds / 60), "min", seconds % 60, "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return two(Math.floor(minutes / 60), "h", minutes % 60, "min");
  return two(Math.floor(minutes / 1440), "d", Math.floor((minutes % 1440) / 60), "h");
}

/** Milliseconds as far as an estimate of them goes: whole seconds. */
export const rough = (ms) => (ms < 59_500 ? `${Math.max(1, Math.round(ms / 1000))} s` : duration(ms));

const two = (large, unit, small, smallUnit) =>
  small ? `${large} ${unit} ${small} ${smallUnit}` : `${large} ${unit}`;

export const percent = (part, of) => (of > 0 ? `${Math.floor((100 * part) / of)} %` : "–");

const AGES = [[86_400_000, "d"], [3_600_000, "h"], [60_000, "min"], [1000, "s"]];

/** How long ago a moment of Unix time was. */
export function ago(ms) {
  const past = Math.max(0, Date.now() - ms);
  const [unit, name] = AGES.find(([unit]) => past >= unit) ?? [];
  return past < 5000 ? "just now" : `${Math.floor(past / unit)} ${name} ago`;
}

export const moment = (ms) => new Date(ms).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** A name without characters that pretend to be others or to be nothing. */
export const printable = (text) =>
  String(text).replace(UNPRINTABLE, (char) => `\\u{${char.codePointAt(0).toString(16)}}`);

export const words = (name) => String(name).replaceAll("_", " ");

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const byId = (id) => document.getElementById(id);

/** A new element with a class and a text. */
export function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== "") made.textContent = text;
  return made;
}

/** Sets a text, unless it is there already: what does not change costs nothing. */
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets an attribute, likewise. */
export function attribute(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** Has `parent` hold one child for each item, in their order; those that stay are kept, and with them the focus. */
export function keyed(parent, items, keyOf, make, update) {
  const before = parent.kept ?? new Map();
  const after = new Map();
  let at = parent.firstElementChild;
  for (const item of items) {
    let key = keyOf(item);
    // Two of the same name are two.
    while (after.has(key)) key += "\0";
    const row = before.get(key) ?? make(item);
    after.set(key, row);
    before.delete(key);
    update(row, item);
    if (row === at) at = at.nextElementSibling;
    else parent.insertBefore(row, at);
  }
  for (const row of before.values()) row.remove();
  parent.kept = after;
}

/** A list of facts: name, value, and perhaps a note and a share from 0 to 1 that is drawn. */
export function facts(list, items) {
  keyed(list, items, ([name]) => name, makeFact, (fact, [, value, note = "", share]) => {
    put(fact.value, value);
    put(fact.note, note);
    fact.meter.hidden = share === undefined;
    if (share !== undefined) fill(fact.meter, share);
  });
}

function makeFact([name]) {
  const fact = element("div");
  fact.value = element("dd");
  fact.note = element("dd", "note");
  fact.meter = meter();
  fact.append(element("dt", "", name), fact.value, fact.meter, fact.note);
  return fact;
}

/** A small bar, for the eye alone: what it shows stands beside it. */
export function meter() {
  const made = element("div", "meter");
  made.setAttribute("aria-hidden", "true");
  made.append(element("i"));
  return made;
}

export function fill(bar, share) {
  const width = `${(100 * Math.min(1, Math.max(0, share || 0))).toFixed(1)}%`;
  if (bar.firstElementChild.style.width !== width) bar.firstElementChild.style.width = width;
}

/** The state of something, with a mark of its own shape. */
export function badge(state) {
  const made = element("span", "badge");
  made.append(element("i"), element("span"));
  made.firstElementChild.setAttribute("aria-hidden", "true");
  rebadge(made, state);
  return made;
}

export function rebadge(made, state) {
  attribute(made, "data-state", state);
  put(made.lastElementChild, capital(words(state)));
}

/** An address whose end, the part that tells it from others, is the last to be cut off. */
export function address(node, location) {
  const text = printable(location);
  const cut = text.lastIndexOf("/") + 1;
  if (node.title === text) return;
  node.title = text;
  node.replaceChildren(element("span", "where", text.slice(0, cut)), element("span", "what", text.slice(cut)));
}

/** Buttons of which one is chosen. */
export function choice(group, options, chosen, choose) {
  for (const [value, label] of options) {
    const button = element("button", "", label);
    button.type = "button";
    button.dataset.value = value;
    button.addEventListener("click", () => {
      mark(group, value);
      choose(value);
    });
    group.append(button);
  }
  mark(group, chosen);
}

export function mark(group, value) {
  for (const button of group.children) button.setAttribute("aria-pressed", button.dataset.value === value);
}

/** The middle of some numbers; 0 of none. */
export function median(numbers) {
  if (numbers.length === 0) return 0;
  const sorted = [...numbers].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The unit that `number` of bytes would be told in: 1, 1000, 1000² and so on. */
export const byteUnit = (number) => 1000 ** Math.max(0, Math.floor(Math.log(Math.max(1, number)) / Math.log(1000) + 1e-9));
