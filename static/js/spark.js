// The last three hours behind a number: one quiet line that breaks where readings are missing.

import { now } from "./live-clock.js";

const SPAN_S = 3 * 3600;
const WIDTH = 120;
const HEIGHT = 28;
const NS = "http://www.w3.org/2000/svg";

/**
 * @param {SVGElement} svg
 * @param {Array<[number, number]>} points time and value, in order of time
 * @param {number} gapS longer silences break the line
 */
export function drawSpark(svg, points, gapS) {
  const from = now() - SPAN_S;
  const inside = points.filter(([t]) => t >= from);
  const path = svg.firstElementChild ?? svg.appendChild(document.createElementNS(NS, "path"));
  if (!inside.length) return path.setAttribute("d", "");
  const values = inside.map(([, v]) => v);
  const middle = (Math.max(...values) + Math.min(...values)) / 2;
  const half = Math.max((Math.max(...values) - Math.min(...values)) / 2, Math.abs(middle) * 0.05, 0.1); // noise is not drama
  let before = -Infinity;
  const d = inside.map(([t, v]) => {
    const x = ((t - from) / SPAN_S) * WIDTH;
    const y = HEIGHT / 2 - ((v - middle) / half) * (HEIGHT / 2 - 2);
    const joined = t - before <= gapS;
    before = t;
    return `${joined ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}${joined ? "" : "h.01"}`;
  });
  path.setAttribute("d", d.join(""));
}
