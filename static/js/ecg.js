// The ECG sweep: samples are written from left to right as on a bedside monitor, a gap runs ahead of the pen and wipes the
// previous sweep. Blocks arrive in lumps, so playback runs a little behind the newest sample and never waits for the network.

import { colour, onTheme } from "./theme.js";
import { now } from "./live-clock.js";

const SECONDS_ACROSS = 6;
const GAP_S = 0.35;
const BEHIND_S = 1.5; // how far playback stays behind the newest sample
const JUMP_S = 4; // further behind than this, playback skips forward
const RANGE_MV = [-1.2, 2.0];
const SILENT_S = 8;

export class EcgSweep {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLElement} words says what there is to see, or that the signal is missing
   */
  constructor(canvas, words) {
    Object.assign(this, { canvas, words });
    this.ctx = canvas.getContext("2d");
    this.blocks = [];
    this.play = null; // time of the sample under the pen
    this.arrived = 0;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    onTheme(() => this.resize());
    this.resize();
    requestAnimationFrame((ms) => this.step(ms));
    setInterval(() => this.describe(), 1000);
  }

  /** Take a block: t0 and period in seconds, samples in mV. A block that comes again is ignored. */
  add(block) {
    if (this.blocks.some((known) => known.t0 === block.t0)) return;
    this.blocks.push(block);
    this.blocks.sort((a, b) => a.t0 - b.t0);
    this.arrived = performance.now();
    const oldest = this.end - SECONDS_ACROSS - JUMP_S - BEHIND_S;
    this.blocks = this.blocks.filter((known) => known.t0 >= oldest);
    if (this.still.matches) this.drawStill();
  }

  get end() {
    const last = this.blocks.at(-1);
    return last ? last.t0 + last.samples.length * last.period_s : 0;
  }

  resize() {
    const scale = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.size = { width, height };
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.ctx.setTransform(scale, 0, 0, scale, 0, 0);
    this.drawn = null;
    if (this.still.matches) this.drawStill();
  }

  step(ms) {
    requestAnimationFrame((next) => this.step(next));
    const dt = Math.min((ms - (this.last ?? ms)) / 1000, 0.1);
    this.last = ms;
    if (!this.blocks.length || this.still.matches || document.hidden) return;
    const behind = this.play === null ? Infinity : this.end - this.play;
    if (behind > JUMP_S || behind < -1) this.play = this.end - BEHIND_S;
    else if (behind > 0) this.play += Math.min(dt * (1 + 0.1 * (behind - BEHIND_S)), behind); // glide towards the wanted lag
    this.drawTo(this.play);
  }

  x(t) {
    return ((t / SECONDS_ACROSS) % 1) * this.size.width;
  }

  y(mv) {
    const [lo, hi] = RANGE_MV;
    return this.size.height * (1 - (mv - lo) / (hi - lo));
  }

  /** Draw from where the pen was to `to`, wiping the gap ahead. Only the new piece is painted: 60 frames cost little. */
  drawTo(to) {
    const { ctx, size } = this;
    const from = this.drawn && to - this.drawn < SECONDS_ACROSS && to >= this.drawn ? this.drawn : to - SECONDS_ACROSS + GAP_S;
    if (from !== this.drawn) ctx.clearRect(0, 0, size.width, size.height);
    const gap = this.x(to + GAP_S);
    const pen = this.x(from);
    if (gap >= pen) ctx.clearRect(pen + 1, 0, gap - pen, size.height);
    else {
      ctx.clearRect(pen + 1, 0, size.width - pen, size.height);
      ctx.clearRect(0, 0, gap, size.height);
    }
    this.trace(from, to);
    this.drawn = to;
  }

  trace(from, to) {
    const { ctx } = this;
    ctx.strokeStyle = colour("--trace");
    ctx.lineWidth = 1.7;
    ctx.lineJoin = ctx.lineCap = "round";
    ctx.beginPath();
    let before = null;
    for (const block of this.blocks) {
      const first = Math.max(Math.floor((from - block.t0) / block.period_s), 0);
      const last = Math.min(Math.ceil((to - block.t0) / block.period_s), block.samples.length - 1);
      for (let i = first; i <= last; i++) {
        const t = block.t0 + i * block.period_s;
        const x = this.x(t);
        const joined = before && t - before.t < 3 * block.period_s && x >= before.x;
        ctx[joined ? "lineTo" : "moveTo"](x, this.y(block.samples[i]));
        before = { t, x };
      }
    }
    ctx.stroke();
  }

  /** The block under the pen, or under a point across the canvas from 0 to 1; undefined while there is none. */
  blockAt(share) {
    const pen = this.play ?? this.end;
    const t = share === undefined ? pen : pen - ((((pen / SECONDS_ACROSS) % 1) - share + 1) % 1) * SECONDS_ACROSS;
    return this.blocks.findLast((block) => block.t0 <= t) ?? this.blocks[0];
  }

  /** For people who asked for less motion: the last seconds as a picture, renewed with each block. */
  drawStill() {
    this.ctx.clearRect(0, 0, this.size.width, this.size.height);
    if (!this.blocks.length) return;
    const start = this.end - SECONDS_ACROSS;
    const x = this.x;
    this.x = (t) => Math.min(Math.max((t - start) / SECONDS_ACROSS, 0), 1) * this.size.width;
    this.trace(start, this.end);
    this.x = x;
  }

  describe() {
    const silent = !this.blocks.length || now() - this.end > SILENT_S;
    this.canvas.hidden = silent;
    const text = silent ? "No ECG signal" : `Lead II, ${SECONDS_ACROSS} s across`;
    if (this.words.textContent !== text) this.words.textContent = text;
    if (silent && this.blocks.length) {
      this.blocks = [];
      this.play = this.drawn = null;
    } else if (!silent && this.size.width === 0) this.resize();
  }
}
