/** Draws one simulated future: what was measured as a plain line, what was computed violet, dashed and hatched. */

const AHEAD_MIN = 240;
const PAST_MIN = 120;
const FLOOR = 40; // a sensor shows nothing lower
const LOW = 70;
const HIGH = 180;
const PAD = { left: 38, right: 10, top: 22, bottom: 24 };
const FONT = "12px system-ui, sans-serif";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A hatch that no measured curve has. */
function hatch(ctx) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.strokeStyle = colour("--simulated");
  pen.globalAlpha = 0.55;
  pen.beginPath();
  for (const offset of [-8, 0, 8]) {
    pen.moveTo(offset, 8);
    pen.lineTo(offset + 8, 0);
  }
  pen.stroke();
  return ctx.createPattern(tile, "repeat");
}

/** The same scale for both charts: side by side they must compare. */
export function topOf(...futures) {
  const highest = Math.max(250, ...futures.flatMap((future) => future.bands[4]));
  return Math.min(Math.ceil(highest / 50) * 50, 500);
}

export function drawFuture(canvas, future, past, top) {
  const scale = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const ctx = canvas.getContext("2d");
  ctx.scale(scale, scale);
  ctx.font = FONT;
  const x = (minutes) => PAD.left + ((minutes + PAST_MIN) / (AHEAD_MIN + PAST_MIN)) * (width - PAD.left - PAD.right);
  const y = (value) => height - PAD.bottom - ((Math.min(Math.max(value, FLOOR), top) - FLOOR) / (top - FLOOR)) * (height - PAD.top - PAD.bottom);
  drawGround(ctx, x, y, top, height);
  if (future) drawBands(ctx, future, x, y);
  drawPast(ctx, past, x, y);
  drawNow(ctx, x, height);
}

function drawGround(ctx, x, y, top, height) {
  ctx.fillStyle = colour("--band");
  ctx.fillRect(x(-PAST_MIN), y(HIGH), x(AHEAD_MIN) - x(-PAST_MIN), y(LOW) - y(HIGH));
  ctx.fillStyle = colour("--muted");
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (const value of [54, LOW, HIGH, ...(top > 250 ? [300] : [])]) ctx.fillText(value, PAD.left - 6, y(value));
  ctx.textAlign = "left";
  ctx.fillText("mg/dL", 2, 9);
  ctx.textAlign = "center";
  for (let hour = -PAST_MIN / 60; hour <= AHEAD_MIN / 60; hour++) {
    if (hour) ctx.fillText(`${hour > 0 ? "+" : "−"}${Math.abs(hour)} h`, Math.min(x(hour * 60), x(AHEAD_MIN) - 12), height - 10);
  }
}

function area(ctx, future, low, high, x, y) {
  ctx.beginPath();
  future.minutes.forEach((at, i) => ctx.lineTo(x(at), y(future.bands[high][i])));
  for (let i = future.minutes.length - 1; i >= 0; i--) ctx.lineTo(x(future.minutes[i]), y(future.bands[low][i]));
  ctx.closePath();
}

function drawBands(ctx, future, x, y) {
  area(ctx, future, 0, 4, x, y);
  ctx.fillStyle = hatch(ctx);
  ctx.globalAlpha = 0.6;
  ctx.fill();
  area(ctx, future, 1, 3, x, y);
  ctx.fillStyle = colour("--simulated");
  ctx.globalAlpha = 0.28;
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.strokeStyle = colour("--simulated");
  ctx.lineWidth = 2;
  ctx.setLineDash([7, 5]);
  ctx.beginPath();
  future.minutes.forEach((at, i) => ctx.lineTo(x(at), y(future.bands[2][i])));
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.fillStyle = colour("--simulated");
  ctx.textAlign = "right";
  ctx.font = `600 ${FONT}`;
  ctx.fillText("simulated", x(AHEAD_MIN) - 4, PAD.top - 11);
  ctx.font = FONT;
}

function drawPast(ctx, past, x, y) {
  ctx.strokeStyle = colour("--trace");
  ctx.lineWidth = 1.8;
  ctx.beginPath();
  for (const [at, value] of past) ctx.lineTo(x(at), y(value));
  ctx.stroke();
  ctx.fillStyle = colour("--muted");
  ctx.textAlign = "left";
  ctx.fillText("measured", x(-PAST_MIN) + 4, PAD.top + 4);
}

function drawNow(ctx, x, height) {
  ctx.strokeStyle = colour("--edge");
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(x(0), PAD.top - 4);
  ctx.lineTo(x(0), height - PAD.bottom);
  ctx.stroke();
  ctx.fillStyle = colour("--muted");
  ctx.textAlign = "center";
  ctx.fillText("now", x(0), height - 10);
}
