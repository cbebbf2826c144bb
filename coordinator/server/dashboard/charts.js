// Small charts on canvases, in the colours of the page.

const probe = document.createElement("span");
let known = new Map();

/** A colour of the page by the name of its variable, as it is in the theme of the moment. */
export function colour(name) {
  if (!known.has(name)) {
    if (!probe.isConnected) {
      probe.hidden = true;
      document.body.append(probe);
    }
    probe.style.color = `var(--${name})`;
    known.set(name, getComputedStyle(probe).color);
  }
  return known.get(name);
}

/** To be called when the theme has changed. */
export function forgetColours() {
  known = new Map();
}

export const font = (size) => `${size}px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif`;

/** Makes a canvas as fine as the screen and empties it; measures are in CSS pixels. */
export function fresh(canvas) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const scale = window.devicePixelRatio || 1;
  const [fine, high] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== fine || canvas.height !== high) [canvas.width, canvas.height] = [fine, high];
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = font(11);
  pen.textBaseline = "alphabetic";
  return { pen, width, height };
}

/** The next of 1, 2, 5, 10, 20, 50 and so on that is not below `number`, times `base`. */
export function nice(number, base = 1) {
  const power = 10 ** Math.floor(Math.log10(Math.max(number / base, 1e-9)));
  const steps = [1, 2, 5, 10].find((step) => step * power * base >= number * 0.9999) * power;
  return steps * base;
}

/** Least at the top of such a chart: what is next to nothing is not to look like much. */
const LEAST = 1e6;

/**
 * A quantity over time: `points` of `[when, how much]`, drawn from `from` to `to`. `label` writes a quantity, `ticks`
 * are moments and what to write below them, `unit` is what round numbers are multiples of.
 */
export function area(canvas, points, { from, to, label, ticks, unit }) {
  const { pen, width, height } = fresh(canvas);
  const most = nice(Math.max(LEAST, ...points.map(([, value]) => value)), unit);
  const [top, bottom] = [8, height - 18];
  const x = (when) => ((when - from) / (to - from)) * width;
  const y = (value) => bottom - (value / most) * (bottom - top);
  pen.fillStyle = colour("line");
  for (const value of [0, most / 2, most]) pen.fillRect(0, Math.round(y(value)), width, 1);
  const shown = points.filter(([when]) => when >= from);
  if (shown.length > 1) {
    const line = new Path2D();
    shown.forEach(([when, value]) => line.lineTo(x(when), y(value)));
    const below = new Path2D(line);
    below.lineTo(x(shown.at(-1)[0]), bottom);
    below.lineTo(x(shown[0][0]), bottom);
    pen.fillStyle = colour("accent-soft");
    pen.fill(below);
    pen.strokeStyle = colour("accent");
    pen.lineWidth = 1.5;
    pen.lineJoin = "round";
    pen.stroke(line);
  }
  pen.fillStyle = colour("muted");
  for (const value of [most / 2, most]) halo(pen, label(value), 0, y(value) + 12);
  for (const [when, text] of ticks) {
    pen.textAlign = when === from ? "left" : when === to ? "right" : "center";
    pen.fillText(text, x(when), height - 4);
  }
  pen.textAlign = "left";
}

/** Text that stays readable on what it lies on. */
function halo(pen, text, x, y) {
  pen.strokeStyle = colour("surface");
  pen.lineWidth = 3;
  pen.strokeText(text, x, y);
  pen.fillText(text, x, y);
}

/** How many of `values` lie where; those that `isOdd` holds for stand out. `mark` is a value with a line of its own. */
export function histogram(canvas, values, { label, unit, isOdd, mark }) {
  const { pen, width, height } = fresh(canvas);
  const most = nice(Math.max(1, ...values), unit);
  const bins = Math.max(10, Math.min(60, Math.floor(width / 14)));
  const counts = Array.from({ length: bins }, () => [0, 0]);
  for (const value of values) {
    counts[Math.min(bins - 1, Math.floor((value / most) * bins))][isOdd(value) ? 1 : 0] += 1;
  }
  const high = Math.max(...counts.map(([even, odd]) => even + odd));
  const [top, bottom] = [14, height - 18];
  const wide = width / bins;
  // A single node among a thousand must still be seen.
  const tall = (number) => (number === 0 ? 0 : Math.max(3, (number / high) * (bottom - top)));
  counts.forEach(([even, odd], bin) => {
    pen.fillStyle = colour("done");
    pen.fillRect(bin * wide + 1, bottom - tall(even) - tall(odd), wide - 2, tall(even));
    pen.fillStyle = colour("warm");
    pen.fillRect(bin * wide + 1, bottom - tall(odd), wide - 2, tall(odd));
  });
  pen.fillStyle = colour("line");
  pen.fillRect(0, bottom, width, 1);
  pen.fillStyle = colour("muted");
  for (const share of width < 480 ? [0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1]) {
    pen.textAlign = share === 0 ? "left" : share === 1 ? "right" : "center";
    pen.fillText(label(most * share), width * share, height - 4);
  }
  if (mark) {
    const at = Math.round((mark.value / most) * width);
    pen.fillStyle = colour("text");
    pen.fillRect(at, 2, 1, bottom - 2);
    pen.textAlign = at > width - 140 ? "right" : "left";
    pen.fillText(mark.text, at + (pen.textAlign === "left" ? 5 : -5), 11);
  }
  pen.textAlign = "left";
}
