// A timeline on a canvas: a row a node, a bar an attempt; what lies outside the window is not drawn.

import { colour, font, fresh, nice } from "./charts.js";
import { describe, describeRow } from "./timeline.js";
import { printable, put } from "./text.js";

const AXIS = 24;
const WINDOW_MAX = 520;
const STRIP = 14;
/** Least milliseconds across the window. */
const SPAN_MIN = 50;

export class Lines {
  /** `say` tells what was chosen by keyboard to those who see no detail. */
  constructor({ box, tall, canvas, detail, say }) {
    Object.assign(this, { box, tall, canvas, detail, say });
    this.rows = [];
    this.fit();
    box.addEventListener("scroll", () => this.later());
    box.addEventListener("keydown", (event) => this.key(event));
    box.addEventListener("focus", () => this.later());
    box.addEventListener("blur", () => this.later());
    box.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    box.addEventListener("pointerdown", (event) => this.press(event));
    box.addEventListener("pointermove", (event) => this.move(event));
    box.addEventListener("pointerup", () => (this.drag = undefined));
    box.addEventListener("pointercancel", () => (this.drag = undefined));
    box.addEventListener("pointerleave", () => this.point(undefined));
  }

  /** Shows these rows, with a lane for each attempt made beside others, or as strips. */
  show(rows, { end, usual }, isStrips) {
    Object.assign(this, { rows, usual, isStrips });
    this.end = Math.max(1, end);
    this.lane = rows.length <= 12 ? 9 : 6;
    this.tops = [];
    let top = AXIS + 2;
    for (const row of rows) {
      this.tops.push(top);
      top += isStrips ? STRIP : Math.max(30, row.lanes * (this.lane + 1) + 9);
    }
    this.tops.push(top);
    // What is chosen stays chosen when there is more to know of it.
    const [row, bar] = this.chosen ?? [];
    if (row) this.chosen = this.find(row.index, bar);
    this.pointed = undefined;
    this.box.style.height = `${Math.min(WINDOW_MAX, top + 2)}px`;
    this.tall.style.height = `${top}px`;
    this.tell();
    this.later();
  }

  find(index, old) {
    const row = this.rows.find((row) => row.index === index);
    const bar = old && row?.bars.find((bar) => bar.part === old.part && bar.granted_ms === old.granted_ms);
    return row && [row, bar];
  }

  forget() {
    this.chosen = undefined;
    this.pointed = undefined;
    this.box.scrollTop = 0;
    this.fit();
  }

  fit() {
    this.view = undefined;
    this.later();
  }

  /** The moments at the edges of the window, in milliseconds. */
  edges() {
    return this.view ?? [0, this.end * 1.01];
  }

  zoom(factor, share = 0.5) {
    const [from, to] = this.edges();
    const wide = Math.max(SPAN_MIN, (to - from) / factor);
    const at = from + (to - from) * share;
    this.look(at - wide * share, wide);
  }

  /** Looks at `wide` milliseconds from `from`, as far as there are so many. */
  look(from, wide) {
    const all = this.end * 1.01;
    if (wide >= all) return this.fit();
    const begin = Math.min(Math.max(0, from), all - wide);
    this.view = [begin, begin + wide];
    this.later();
  }

  later() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.draw();
    });
  }

  gutter(width) {
    return Math.min(170, Math.round(width * 0.32));
  }

  x(when) {
    const [from, to] = this.edges();
    const left = this.gutter(this.width);
    return left + ((when - from) / (to - from)) * (this.width - left - 8);
  }

  draw() {
    if (!this.box.clientWidth || !this.tops) return;
    this.canvas.style.height = `${this.box.clientHeight}px`;
    const { pen, width, height } = fresh(this.canvas);
    this.width = width;
    const past = this.box.scrollTop;
    const left = this.gutter(width);
    pen.save();
    pen.beginPath();
    pen.rect(0, AXIS, width, height - AXIS);
    pen.clip();
    this.grid(pen, height, false);
    for (let at = this.first(past + AXIS); at < this.rows.length && this.tops[at] < past + height; at += 1) {
      const top = this.tops[at] - past;
      const tall = this.tops[at + 1] - this.tops[at];
      this.label(pen, this.rows[at], top, tall, left);
      pen.save();
      pen.beginPath();
      pen.rect(left, top, width - left, tall);
      pen.clip();
      if (this.isStrips) this.strip(pen, this.rows[at], top);
      else this.bars(pen, this.rows[at], top);
      pen.restore();
    }
    pen.restore();
    this.grid(pen, height, true);
  }

  /** The first row that ends below `y`. */
  first(y) {
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.tops[middle + 1] <= y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  grid(pen, height, isAxis) {
    const [from, to] = this.edges();
    const step = nice(((to - from) * 90) / Math.max(90, this.width - this.gutter(this.width)), 1);
    if (isAxis) {
      pen.fillStyle = colour("line");
      pen.fillRect(0, AXIS - 1, this.width, 1);
    }
    pen.font = font(11);
    pen.fillStyle = colour(isAxis ? "muted" : "line");
    for (let when = Math.ceil(from / step) * step; when <= to; when += step) {
      const x = Math.round(this.x(when));
      const text = `${Number((when / 1000).toFixed(3))} s`;
      const isCut = x + pen.measureText(text).width / 2 > this.width;
      pen.textAlign = isCut ? "right" : "center";
      if (isAxis) pen.fillText(text, isCut ? this.width - 2 : x, AXIS - 9);
      else pen.fillRect(x, 0, 1, height);
    }
    pen.textAlign = "left";
  }

  label(pen, row, top, tall, left) {
    const isChosen = this.chosen?.[0] === row;
    if (isChosen || this.pointed?.[0] === row) {
      pen.fillStyle = colour("hover");
      pen.fillRect(0, top, this.width, tall);
    }
    if (isChosen && document.activeElement === this.box) {
      pen.fillStyle = colour("accent");
      pen.fillRect(0, top, 3, tall);
    }
    if (!this.isStrips) {
      pen.fillStyle = colour("line");
      pen.fillRect(0, top + tall - 1, this.width, 1);
    }
    const slow = row.isSlow ? `${this.isStrips ? "▲" : "slow"} ${row.ratio.toFixed(1)}×` : "";
    pen.font = font(this.isStrips ? 10 : 12);
    const base = this.isStrips ? top + 10.5 : top + 13;
    const wide = this.isStrips && slow ? pen.measureText(slow).width + 6 : 0;
    pen.fillStyle = colour("text");
    pen.fillText(cut(pen, printable(row.name), left - 20 - wide), 10, base);
    if (!this.isStrips) pen.font = font(10);
    pen.fillStyle = colour(slow ? "warm-text" : "muted");
    const beside = slow || `${row.done} done`;
    if (!this.isStrips) pen.fillText(cut(pen, beside, left - 16), 10, base + 12);
    else if (slow) pen.fillText(slow, left - 6 - wide + 2, base);
  }

  bars(pen, row, top) {
    const [from, to] = this.edges();
    const seen = row.bars.filter((bar) => bar.ended_ms >= from && bar.granted_ms <= to);
    pen.fillStyle = colour("lead");
    for (const bar of seen) {
      const y = top + 4 + bar.lane * (this.lane + 1);
      const end = this.x(bar.hasBegun || bar.end === "open" ? bar.from : bar.ended_ms);
      pen.fillRect(this.x(bar.granted_ms), y + this.lane / 2 - 0.5, Math.max(1, end - this.x(bar.granted_ms)), 1);
    }
    for (const bar of seen) this.bar(pen, bar, top + 4 + bar.lane * (this.lane + 1));
  }

  bar(pen, bar, y) {
    const x = this.x(bar.from);
    const wide = Math.max(2, this.x(bar.ended_ms) - x - 1);
    drawBar(pen, bar, x, y, wide, this.lane);
    if (this.chosen?.[1] === bar || this.pointed?.[1] === bar) {
      pen.strokeStyle = colour("text");
      pen.lineWidth = 2;
      pen.strokeRect(x - 1, y - 1, wide + 2, this.lane + 2);
    }
  }

  /** How long what a node did took, against what it takes the fleet; the slowest where it did several at a time. */
  strip(pen, row, top) {
    const left = this.gutter(this.width);
    const columns = new Uint8Array(Math.max(1, Math.ceil((this.width - left) / 2)));
    for (const bar of row.bars) {
      const level = bar.hasBegun || bar.end === "open" ? 1 + levelOf((bar.ended_ms - bar.from) / this.usual) : 0;
      const end = Math.min(columns.length - 1, Math.floor((this.x(bar.ended_ms) - left) / 2));
      for (let at = Math.max(0, Math.floor((this.x(bar.from) - left) / 2)); at <= end; at += 1) {
        columns[at] = Math.max(columns[at], level);
      }
    }
    for (let at = 0; at < columns.length; ) {
      let end = at + 1;
      while (columns[end] === columns[at]) end += 1;
      if (columns[at] > 0) {
        pen.fillStyle = colour(LEVELS[columns[at] - 1]);
        pen.fillRect(left + at * 2, top + 1, (end - at) * 2, STRIP - 2);
      }
      at = end;
    }
    for (const bar of row.bars) {
      const isChosen = this.chosen?.[1] === bar || this.pointed?.[1] === bar;
      if (isChosen) {
        pen.strokeStyle = colour("text");
        pen.lineWidth = 2;
        pen.strokeRect(this.x(bar.from), top + 2, Math.max(2, this.x(bar.ended_ms) - this.x(bar.from)), STRIP - 4);
      }
      marks(pen, bar, this.x(bar.from), this.x(bar.ended_ms), top + 2, STRIP - 4);
    }
  }

  /** The row, and the attempt if there is one, at a place of the window. */
  at(x, y) {
    if (y < AXIS || !this.tops) return undefined;
    const inside = y + this.box.scrollTop;
    const row = this.rows[this.first(inside)];
    if (!row) return undefined;
    const lane = Math.floor((inside - this.tops[this.rows.indexOf(row)] - 4) / (this.lane + 1));
    const near = row.bars.filter((bar) => this.x(bar.from) - 2 <= x && x <= this.x(bar.ended_ms) + 2);
    const longest = (best, bar) => (!best || bar.ended_ms - bar.from > best.ended_ms - best.from ? bar : best);
    return [row, this.isStrips ? near.reduce(longest, undefined) : near.find((bar) => bar.lane === lane)];
  }

  point(found) {
    const same = found?.[0] === this.pointed?.[0] && found?.[1] === this.pointed?.[1];
    this.pointed = found;
    if (same) return;
    this.tell();
    this.later();
  }

  choose(found) {
    this.chosen = found;
    this.tell();
    this.later();
  }

  tell() {
    const [row, bar] = this.pointed ?? this.chosen ?? [];
    const said = bar ? describe(row, bar) : row ? describeRow(row) : "Point at a bar, or choose one with the arrow keys.";
    put(this.detail, said);
  }

  place(event) {
    const edge = this.box.getBoundingClientRect();
    return [event.clientX - edge.left - this.box.clientLeft, event.clientY - edge.top - this.box.clientTop];
  }

  press(event) {
    const [x, y] = this.place(event);
    this.choose(this.at(x, y));
    if (this.view) this.drag = { x, view: this.view };
  }

  move(event) {
    const [x, y] = this.place(event);
    if (!this.drag) return this.point(this.at(x, y));
    const [from, to] = this.drag.view;
    const pixels = this.width - this.gutter(this.width) - 8;
    this.look(from - ((x - this.drag.x) / pixels) * (to - from), to - from);
  }

  wheel(event) {
    const [from, to] = this.edges();
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const left = this.gutter(this.width);
      const share = (this.place(event)[0] - left) / (this.width - left - 8);
      this.zoom(event.deltaY < 0 ? 1.25 : 0.8, Math.min(1, Math.max(0, share)));
    } else if (this.view && (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))) {
      event.preventDefault();
      this.look(from + ((event.deltaX || event.deltaY) / this.width) * (to - from), to - from);
    }
  }

  key(event) {
    const does = {
      ArrowDown: () => this.step(1), ArrowUp: () => this.step(-1), ArrowRight: () => this.next(1),
      ArrowLeft: () => this.next(-1), Home: () => this.step(-this.rows.length), End: () => this.step(this.rows.length),
      PageDown: () => this.step(10), PageUp: () => this.step(-10), "+": () => this.zoom(1.5), "=": () => this.zoom(1.5),
      "-": () => this.zoom(1 / 1.5), 0: () => this.fit(),
    }[event.key];
    if (event.key === "Escape" && this.chosen) {
      event.stopPropagation();
      return this.choose(undefined);
    }
    if (!does || event.ctrlKey || event.metaKey || event.altKey || this.rows.length === 0) return undefined;
    event.preventDefault();
    event.stopPropagation();
    return does();
  }

  step(by) {
    const now = this.chosen ? this.rows.indexOf(this.chosen[0]) : by > 0 ? -1 : this.rows.length;
    const at = Math.min(this.rows.length - 1, Math.max(0, now + by));
    this.choose([this.rows[at], undefined]);
    this.say(this.detail.textContent);
    const [top, bottom] = [this.tops[at], this.tops[at + 1]];
    const [seen, high] = [this.box.scrollTop, this.box.clientHeight];
    if (top - AXIS < seen) this.box.scrollTop = top - AXIS;
    else if (bottom > seen + high) this.box.scrollTop = bottom - high;
  }

  next(by) {
    if (!this.chosen) this.step(1);
    const [row, bar] = this.chosen;
    const sorted = [...row.bars].sort((one, other) => one.from - other.from);
    const now = bar ? sorted.indexOf(bar) : by > 0 ? -1 : sorted.length;
    const found = sorted[Math.min(sorted.length - 1, Math.max(0, now + by))];
    this.choose([row, found]);
    this.say(this.detail.textContent);
    if (!found || !this.view) return;
    const [from, to] = this.view;
    if (found.ended_ms < from || found.from > to) this.look(found.from - (to - from) / 3, to - from);
  }
}

/** Colours of strips, by how long an attempt took against the fleet's median. */
export const LEVELS = ["cool", "done", "warm", "hot"];
const levelOf = (ratio) => (ratio > 4 ? 3 : ratio > 2 ? 2 : ratio > 1 ? 1 : 0);

/** One attempt as a bar: its end by colour and shape, its origin by a mark. */
export function drawBar(pen, bar, x, y, wide, tall) {
  const round = Math.min(2, wide / 2);
  pen.beginPath();
  pen.roundRect(x, y, wide, tall, bar.end === "open" ? [round, 0, 0, round] : round);
  if (bar.end === "dropped") {
    pen.fillStyle = colour("surface");
    pen.fill();
    pen.strokeStyle = colour("dropped");
    pen.lineWidth = 1;
    pen.beginPath();
    pen.roundRect(x + 0.5, y + 0.5, Math.max(1, wide - 1), tall - 1, round);
    pen.stroke();
  } else {
    pen.fillStyle = colour({ open: "open", done: "done", failed: "bad", lost: "bad" }[bar.end]);
    pen.fill();
  }
  marks(pen, bar, x, x + wide, y, tall);
}

function marks(pen, bar, x, end, y, tall) {
  if (bar.end === "lost" || bar.end === "failed") {
    // Failed ends in a bar across, lost is broken off.
    pen.fillStyle = colour(bar.end === "lost" ? "surface" : "text");
    if (bar.end === "failed") pen.fillRect(end - 2, y - 1, 2, tall + 2);
    else for (let at = x + 3; at < end; at += 6) pen.fillRect(at, y, 2, tall);
  }
  if (bar.origin === "stolen") {
    pen.fillStyle = colour("mark");
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(x + Math.max(3, Math.min(tall * 0.8, end - x)), y + tall / 2);
    pen.lineTo(x, y + tall);
    pen.fill();
  } else if (bar.origin === "hedge") {
    pen.strokeStyle = colour("mark");
    pen.lineWidth = 1.5;
    pen.strokeRect(x + 0.75, y + 0.75, Math.max(1, end - x - 1.5), tall - 1.5);
  }
}

/** As much of a text as fits. */
function cut(pen, text, wide) {
  if (pen.measureText(text).width <= wide) return text;
  let length = text.length;
  while (length > 1 && pen.measureText(`${text.slice(0, length)}…`).width > wide) length -= 1;
  return `${text.slice(0, length)}…`;
}
