// How one strip is drawn: pure functions of a 2D context, a strip's box and its points. No state, no events.

import { colour } from "./theme.js";
import { clockText, valueText } from "./live-clock.js";

export const FONT = "12px system-ui, sans-serif";
export const FONT_STRONG = "600 13px system-ui, sans-serif";
const STEPS_S = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
const HOLLOW_EVERY_PX = 12; // dense series would turn into a string of beads

/** Times of the ticks of an axis from `from` to `to`, about `gap` pixels apart. */
export function timeTicks(from, to, width, gap = 90) {
  const step = STEPS_S.find((s) => (s / (to - from)) * width >= gap) ?? 86400;
  const shift = new Date(from * 1000).getTimezoneOffset() * 60; // ticks on whole hours where the reader is
  const ticks = [];
  for (let t = Math.ceil((from - shift) / step) * step + shift; t < to; t += step) ticks.push(t);
  return { ticks, seconds: step < 60 };
}

/** Round values that divide `lo`..`hi` into about `count` parts. */
export function valueTicks(lo, hi, count) {
  const raw = (hi - lo) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const ticks = [];
  for (let v = Math.ceil(lo / step) * step; v <= hi + step * 1e-6; v += step) ticks.push(v);
  return ticks;
}

/** The range of values to show: the usual one, opened to hold what is there. */
export function domainOf(spec, points, extra = []) {
  let [lo, hi] = spec.domain;
  for (const point of points) {
    if (point.v < lo) lo = point.v;
    if (point.v > hi) hi = point.v;
  }
  for (const value of extra) {
    lo = Math.min(lo, value);
    hi = Math.max(hi, value);
  }
  return [lo, hi > lo ? hi : lo + 1];
}

/** The wanted range behind the line. */
export function drawBand(ctx, box, [low, high]) {
  const top = Math.max(box.y(high ?? box.hi), box.top);
  const bottom = Math.min(box.y(low ?? box.lo), box.bottom);
  ctx.fillStyle = colour("--band");
  ctx.fillRect(box.left, top, box.right - box.left, bottom - top);
}

/** A line that breaks where readings are missing, with hollow marks where they came late. */
export function drawLine(ctx, box, points, gapS) {
  ctx.strokeStyle = colour("--trace");
  ctx.lineWidth = 1.6;
  ctx.lineJoin = "round";
  ctx.beginPath();
  let before = null;
  for (const point of points) {
    const joined = before && point.t - before.t <= gapS;
    ctx[joined ? "lineTo" : "moveTo"](box.x(point.t), box.y(point.v));
    before = point;
  }
  ctx.stroke();
  drawLone(ctx, box, points, gapS);
  drawHollow(ctx, box, points);
}

/** A reading with no neighbour is a dot, not nothing. */
function drawLone(ctx, box, points, gapS) {
  ctx.fillStyle = colour("--trace");
  points.forEach((point, i) => {
    const alone = !(point.t - points[i - 1]?.t <= gapS) && !(points[i + 1]?.t - point.t <= gapS);
    if (!alone) return;
    ctx.beginPath();
    ctx.arc(box.x(point.t), box.y(point.v), 2, 0, 2 * Math.PI);
    ctx.fill();
  });
}

/** A rate that holds until the next reading. */
export function drawStep(ctx, box, points, gapS) {
  ctx.strokeStyle = colour("--trace");
  ctx.lineWidth = 1.6;
  ctx.beginPath();
  points.forEach((point, i) => {
    const y = box.y(point.v);
    const next = points[i + 1];
    ctx[i && point.t - points[i - 1].t <= gapS ? "lineTo" : "moveTo"](box.x(point.t), y);
    ctx.lineTo(box.x(next && next.t - point.t <= gapS ? next.t : point.t), y);
  });
  ctx.stroke();
  drawHollow(ctx, box, points);
}

/** Events with an amount, such as a bolus: a stem from the ground and the amount above it. */
export function drawStems(ctx, box, points, { unit, decimals }) {
  ctx.strokeStyle = ctx.fillStyle = colour("--accent");
  ctx.font = FONT;
  ctx.textAlign = "center";
  let labelledUntil = -Infinity;
  for (const point of points) {
    const x = Math.round(box.x(point.t));
    ctx.lineWidth = 3;
    ctx.beginPath();
    ctx.moveTo(x, box.bottom);
    ctx.lineTo(x, box.top + 18);
    ctx.stroke();
    if (x - 22 < labelledUntil) continue;
    ctx.fillText(`${valueText(point.v, decimals)} ${unit}`, x, box.top + 12);
    labelledUntil = x + 22;
  }
}

/** Cuff pressure: one bar from diastolic to systolic per measurement. */
export function drawSpans(ctx, box, highs, lows) {
  const lowAt = new Map(lows.map((point) => [point.t, point.v]));
  ctx.strokeStyle = colour("--trace");
  ctx.lineWidth = 1.2;
  ctx.beginPath();
  let last = -Infinity;
  for (const point of highs) {
    const low = lowAt.get(point.t);
    const x = Math.round(box.x(point.t)) + 0.5;
    const cap = x - last < 9 ? 1 : 3; // caps of neighbours must not grow together
    last = x;
    for (const y of low === undefined ? [box.y(point.v)] : [box.y(point.v), box.y(low)]) {
      ctx.moveTo(x - cap, y);
      ctx.lineTo(x + cap, y);
    }
    if (low === undefined) continue;
    ctx.moveTo(x, box.y(point.v));
    ctx.lineTo(x, box.y(low));
  }
  ctx.stroke();
}

function drawHollow(ctx, box, points) {
  ctx.fillStyle = colour("--surface");
  ctx.lineWidth = 1.2;
  let last = -Infinity;
  for (const point of points) {
    if (!point.late || box.x(point.t) - last < HOLLOW_EVERY_PX) continue;
    last = box.x(point.t);
    ctx.beginPath();
    ctx.arc(last, box.y(point.v), 2.6, 0, 2 * Math.PI);
    ctx.fill();
    ctx.stroke();
  }
}

/** What is expected to come: a dashed mean inside its band, from now to the right, and the word. */
export function drawFan(ctx, box, prediction) {
  const { times, mean, lo, hi } = prediction;
  if (!times.length || times.at(-1) < box.from) return;
  ctx.globalAlpha = 0.16;
  ctx.fillStyle = colour("--trace");
  ctx.beginPath();
  times.forEach((t, i) => ctx[i ? "lineTo" : "moveTo"](box.x(t), box.y(hi[i])));
  for (let i = times.length - 1; i >= 0; i--) ctx.lineTo(box.x(times[i]), box.y(lo[i]));
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.strokeStyle = colour("--trace");
  ctx.lineWidth = 1.4;
  ctx.setLineDash([5, 4]);
  ctx.beginPath();
  times.forEach((t, i) => ctx[i ? "lineTo" : "moveTo"](box.x(t), box.y(mean[i])));
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.fillStyle = colour("--muted");
  ctx.font = FONT;
  ctx.textAlign = "right";
  ctx.fillText("predicted", Math.min(box.x(times.at(-1)), box.right) - 4, box.bottom - 5);
}

const SHAPES = {
  high: [[0, -6], [6, 5], [-6, 5]],
  medium: [[0, -6.5], [6.5, 0], [0, 6.5], [-6.5, 0]],
};

/** Alarms: a shape at the moment each was raised and a bar for as long as it lasted. */
export function drawAlarms(ctx, box, alarms, now) {
  const y = (box.top + box.bottom) / 2 + 4;
  for (const alarm of alarms) {
    const x = box.x(alarm.t);
    const end = box.x(alarm.until ?? now);
    ctx.fillStyle = colour(`--alarm-${alarm.priority}-fill`);
    ctx.fillRect(x, y - 1.5, Math.max(end - x, 1), 3);
    ctx.beginPath();
    if (SHAPES[alarm.priority]) SHAPES[alarm.priority].forEach(([dx, dy], i) => ctx[i ? "lineTo" : "moveTo"](x + dx, y + dy));
    else ctx.arc(x, y, 5.5, 0, 2 * Math.PI);
    ctx.fill();
  }
}

/** The time axis under all strips, in the patient's time zone. */
export function drawAxis(ctx, box, height, zone) {
  const { ticks, seconds } = timeTicks(box.from, box.to, box.right - box.left);
  ctx.font = FONT;
  ctx.textAlign = "center";
  for (const t of ticks) {
    const x = Math.round(box.x(t)) + 0.5;
    ctx.strokeStyle = colour("--line");
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.moveTo(x, 0);
    ctx.lineTo(x, height - 20);
    ctx.stroke();
    ctx.fillStyle = colour("--muted");
    if (x > box.left + 14 && x < box.right - 14) ctx.fillText(clockText(t, zone, seconds), x, height - 6);
  }
}
