// Stacked strips on one canvas with one time axis: crosshair through all of them, drag to zoom, double click to come back.

import { FONT, FONT_STRONG, domainOf, drawAlarms, drawAxis, drawBand, drawFan, drawLine, drawSpans, drawStems, drawStep, valueTicks } from "./strip-draw.js";
import { clockText, now, valueText, zoneOf } from "./live-clock.js";
import { colour, onTheme } from "./theme.js";

const GUTTER = 42; // room for the numbers of the vertical axis
const RIGHT = 10;
const AXIS = 24;
const GAP_SHARE = 0.015; // a silence narrower than this part of the window would not be seen as one
const LEAST_S = 30; // the closest zoom
const PICK_AFTER_MS = 250;
const KEEP_S = 26 * 3600; // older points leave memory

export class Strips {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Array<object>} specs one per strip: key, label, unit, decimals, form, domain, band, height, and `with` for a second key
   * @param {(from: number, to: number) => void} onView asked to load what the new window needs
   * @param {(words: string) => void} onRead told in words what the crosshair reads when it was moved by keyboard
   * @param {(key: string, t: number) => void} onPick told which metric was clicked at which time, or chosen with Enter
   */
  constructor(canvas, specs, onView, onRead, onPick) {
    Object.assign(this, { canvas, specs, onView, onRead, onPick });
    this.row = 0; // the strip that Enter asks about; arrows up and down change it
    this.ctx = canvas.getContext("2d");
    this.series = new Map();
    this.alarms = [];
    this.prediction = null;
    this.windowS = 3 * 3600;
    this.fixed = null; // {from, to} once zoomed; null follows now
    this.cross = null;
    this.brush = null;
    this.gapS = 0;
    this.state = "loading";
    this.listen();
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    onTheme(() => this.dirty());
    this.resize();
  }

  /** Put the points of one series, sorted by time; `bucketS` is the spacing the server thinned them to. */
  put(key, points, bucketS) {
    this.series.set(key, points);
    this.gapS = bucketS * 3;
    this.state = "ready";
    this.dirty();
  }

  /** Add one live reading. Late and repeated readings find their place. */
  push(key, point) {
    const points = this.series.get(key) ?? [];
    let at = points.length;
    while (at > 0 && points[at - 1].t > point.t) at--;
    if (at > 0 && points[at - 1].t === point.t) points[at - 1] = point;
    else points.splice(at, 0, point);
    while (points.length && points[0].t < point.t - KEEP_S) points.shift();
    this.series.set(key, points);
    this.dirty();
  }

  /** Follow now with a window of so many seconds. */
  follow(windowS) {
    this.windowS = windowS;
    this.fixed = null;
    this.ask();
  }

  /** Show exactly this window. */
  show(from, to) {
    const spare = Math.max(LEAST_S - (to - from), 0) / 2;
    this.fixed = { from: from - spare, to: to + spare };
    this.ask();
  }

  ask() {
    this.dirty();
    clearTimeout(this.asking);
    this.asking = setTimeout(() => this.onView(this.view.from, this.view.to), 120);
  }

  get view() {
    if (this.fixed) return this.fixed;
    const ahead = this.prediction ? Math.max(this.prediction.times.at(-1) - now(), 0) : 0;
    return { from: now() - this.windowS, to: now() + Math.max(Math.min(ahead, this.windowS / 3), this.windowS * 0.02) };
  }

  resize() {
    const width = this.canvas.parentElement.clientWidth;
    const height = this.specs.reduce((sum, spec) => sum + spec.height, 0) + AXIS;
    const scale = devicePixelRatio || 1;
    this.size = { width, height };
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.ctx.setTransform(scale, 0, 0, scale, 0, 0);
    this.draw();
  }

  dirty() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  /** Where a strip lies and how it maps time and value to pixels. */
  box(top, height, lo = 0, hi = 1) {
    const { from, to } = this.view;
    const left = GUTTER;
    const right = this.size.width - RIGHT;
    const inside = { top: top + 20, bottom: top + height - 8 };
    return { ...inside, from, to, left, right, lo, hi,
      x: (t) => left + ((t - from) / (to - from)) * (right - left),
      y: (v) => inside.bottom - ((v - lo) / (hi - lo)) * (inside.bottom - inside.top) };
  }

  draw() {
    const { ctx, size } = this;
    ctx.clearRect(0, 0, size.width, size.height);
    const whole = this.box(0, size.height);
    drawAxis(ctx, whole, size.height, zoneOf(this.canvas));
    let top = 0;
    for (const spec of this.specs) {
      this.drawStrip(spec, top);
      top += spec.height;
    }
    this.drawNow(whole);
    this.drawBrush(whole);
    this.drawCross(whole);
  }

  inView(key) {
    const { from, to } = this.view;
    const points = this.series.get(key) ?? [];
    const reach = Math.max(this.gapS, 900); // one point beyond each edge, so that lines run to it
    return points.filter((point) => point.t >= from - reach && point.t <= to + reach);
  }

  drawStrip(spec, top) {
    const { ctx } = this;
    const points = spec.key ? this.inView(spec.key) : [];
    const more = spec.with ? this.inView(spec.with) : [];
    const fan = spec.key === "glucose" ? this.prediction : null;
    const scaled = spec.form === "span" ? [...points, ...more] : points;
    const [lo, hi] = domainOf(spec, scaled, fan ? [...fan.lo, ...fan.hi] : []);
    const box = this.box(top, spec.height, lo, hi);
    const gapS = Math.max(this.gapS, spec.fresh_for_s ?? 0, (box.to - box.from) * GAP_SHARE);
    ctx.save();
    ctx.beginPath();
    ctx.rect(box.left, top, box.right - box.left + 1, spec.height);
    ctx.clip();
    if (spec.band) drawBand(ctx, box, spec.band);
    if (spec.form === "line") drawLine(ctx, box, points, gapS);
    if (spec.form === "step") drawStep(ctx, box, points, gapS);
    if (spec.form === "span") drawSpans(ctx, box, points, more);
    if (spec.form === "step" && spec.with) drawStems(ctx, box, more, spec.stems);
    if (spec.form === "alarms") drawAlarms(ctx, box, this.alarms, now());
    if (fan) drawFan(ctx, box, fan);
    ctx.restore();
    this.drawLabels(spec, box, top, points);
  }

  drawLabels(spec, box, top, points) {
    const { ctx } = this;
    ctx.strokeStyle = colour("--line");
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.moveTo(0, top + 0.5);
    ctx.lineTo(this.size.width, top + 0.5);
    ctx.stroke();
    ctx.textAlign = "left";
    ctx.font = FONT_STRONG;
    ctx.fillStyle = colour("--text");
    ctx.fillText(spec.label, 0, top + 15);
    const width = ctx.measureText(spec.label).width;
    ctx.font = FONT;
    ctx.fillStyle = colour("--muted");
    ctx.fillText(spec.unit ?? "", width + 6, top + 15);
    if (spec.form === "alarms") return this.say(this.alarms.length ? "" : "none", box);
    ctx.textAlign = "right";
    for (const value of valueTicks(box.lo, box.hi, spec.height > 100 ? 4 : 2)) {
      if (box.y(value) > top + 24) ctx.fillText(String(+value.toFixed(2)), GUTTER - 6, box.y(value) + 4);
    }
    if (!points.length) this.say({ loading: "loading", error: "could not be loaded" }[this.state] ?? "no readings in this time", box);
  }

  say(words, box) {
    this.ctx.textAlign = "left";
    this.ctx.fillStyle = colour("--muted");
    this.ctx.fillText(words, box.left + 8, (box.top + box.bottom) / 2 + 4);
  }

  drawNow(box) {
    const x = box.x(now());
    if (x < box.left || x > box.right) return;
    this.vertical(x, "--accent", 1.5);
  }

  vertical(x, token, width) {
    const { ctx } = this;
    ctx.strokeStyle = colour(token);
    ctx.lineWidth = width;
    ctx.beginPath();
    ctx.moveTo(x, 0);
    ctx.lineTo(x, this.size.height - AXIS + 4);
    ctx.stroke();
  }

  drawBrush(box) {
    if (!this.brush) return;
    const [a, b] = [this.brush.from, this.brush.to].map((t) => Math.min(Math.max(box.x(t), box.left), box.right));
    this.ctx.globalAlpha = 0.18;
    this.ctx.fillStyle = colour("--accent");
    this.ctx.fillRect(Math.min(a, b), 0, Math.abs(b - a), this.size.height - AXIS);
    this.ctx.globalAlpha = 1;
  }

  drawCross(box) {
    if (this.cross === null || this.brush) return;
    const { ctx } = this;
    const x = box.x(this.cross);
    if (x < box.left || x > box.right) return;
    this.vertical(x, "--muted", 1);
    this.tag(clockText(this.cross, zoneOf(this.canvas), true), x, this.size.height - 6);
    let top = 0;
    for (const spec of this.specs) {
      const words = this.wordsAt(spec, this.cross, box);
      if (words) this.tag(words, x, top + 15);
      top += spec.height;
    }
    ctx.textAlign = "left";
  }

  /** What a strip says at time `t`: the nearest reading within a few pixels. */
  wordsAt(spec, t, box) {
    const reach = Math.max(this.gapS, (8 / (box.right - box.left)) * (box.to - box.from));
    const value = (key, decimals) => {
      const near = (this.series.get(key) ?? []).reduce((best, p) => (!best || Math.abs(p.t - t) < Math.abs(best.t - t) ? p : best), null);
      return near && Math.abs(near.t - t) <= reach ? valueText(near.v, decimals) + (near.late ? " (late)" : "") : null;
    };
    if (!spec.key) return this.alarms.find((alarm) => t >= alarm.t - reach && t <= (alarm.until ?? now()) + reach)?.message;
    const first = value(spec.key, spec.decimals);
    const second = spec.form === "span" ? value(spec.with, spec.decimals) : null;
    return first && `${first}${second ? `/${second}` : ""} ${spec.unit}`;
  }

  tag(words, x, y) {
    const { ctx } = this;
    ctx.font = FONT_STRONG;
    const width = ctx.measureText(words).width + 10;
    const left = Math.min(Math.max(x - width / 2, 0), this.size.width - width);
    ctx.fillStyle = colour("--text");
    ctx.beginPath();
    ctx.roundRect(left, y - 13, width, 18, 4);
    ctx.fill();
    ctx.fillStyle = colour("--surface");
    ctx.textAlign = "left";
    ctx.fillText(words, left + 5, y);
  }

  timeAt(event) {
    const { from, to } = this.view;
    const x = event.clientX - this.canvas.getBoundingClientRect().left;
    return from + ((x - GUTTER) / (this.size.width - RIGHT - GUTTER)) * (to - from);
  }

  /** Which metric the strip under the pointer shows. */
  keyAt(event) {
    let below = event.clientY - this.canvas.getBoundingClientRect().top;
    return this.specs.find((spec) => (below -= spec.height) < 0)?.key;
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button || event.pointerType === "touch") return; // a finger scrolls the page; the buttons zoom
      this.brush = { from: this.timeAt(event), to: this.timeAt(event), x: event.clientX };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      this.cross = this.timeAt(event);
      if (this.brush) this.brush.to = this.cross;
      this.dirty();
    });
    canvas.addEventListener("pointerup", (event) => {
      const { brush } = this;
      this.brush = null;
      this.dragged = Boolean(brush) && Math.abs(event.clientX - brush.x) > 6;
      if (this.dragged) this.show(Math.min(brush.from, brush.to), Math.max(brush.from, brush.to));
      this.dirty();
    });
    canvas.addEventListener("pointerleave", () => {
      this.cross = null;
      this.dirty();
    });
    canvas.addEventListener("dblclick", () => {
      clearTimeout(this.picking);
      this.follow(this.windowS);
    });
    canvas.addEventListener("click", (event) => {
      if (this.dragged) return;
      const [key, t] = [this.keyAt(event), this.timeAt(event)];
      clearTimeout(this.picking);
      if (key) this.picking = setTimeout(() => this.onPick(key, t), PICK_AFTER_MS); // it may become a double click
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  /** Arrows move the crosshair and choose a strip, Enter asks for evidence, plus and minus zoom, Home comes back to now. */
  key(event) {
    const { from, to } = this.view;
    const step = (to - from) / 60;
    const at = this.cross ?? (from + to) / 2;
    const measured = this.specs.filter((spec) => spec.key);
    const zoom = (factor) => this.show(at - (at - from) * factor, at + (to - at) * factor);
    const actions = {
      ArrowLeft: () => (this.cross = Math.max(at - step, from)),
      ArrowRight: () => (this.cross = Math.min(at + step, to)),
      ArrowUp: () => (this.row = Math.max(this.row - 1, 0)),
      ArrowDown: () => (this.row = Math.min(this.row + 1, measured.length - 1)),
      Enter: () => this.onPick(measured[this.row].key, at),
      "+": () => zoom(0.5),
      "-": () => zoom(2),
      Home: () => this.follow(this.windowS),
      Escape: () => (this.cross = null),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
    this.dirty();
    if (event.key === "ArrowUp" || event.key === "ArrowDown") return this.onRead(`Enter: evidence for ${measured[this.row].label}`);
    if (this.cross !== null) this.onRead(this.reading());
  }

  /** Everything at the crosshair as one sentence. */
  reading() {
    const box = this.box(0, this.size.height);
    const values = this.specs.map((spec) => [spec.label, this.wordsAt(spec, this.cross, box)]).filter(([, words]) => words);
    return `${clockText(this.cross, zoneOf(this.canvas), true)}. ${values.map((pair) => pair.join(" ")).join(", ") || "No readings"}`;
  }
}
