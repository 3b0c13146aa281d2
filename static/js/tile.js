// One vital sign: its number, its age, and its disappearance. A number that may no longer be true is not shown.

import { ageText, now, valueText } from "./live-clock.js";

const TILE = "[data-tile]";
const SHOWN = "[data-shown]";
const STALE = "–"; // the age beside it says why
const AGE = "[data-tile-age]";

/** Put a reading into every tile of `scope` that shows its metric. Older readings change nothing. */
export function showReading(scope, reading) {
  for (const tile of scope.querySelectorAll(`${TILE}[data-device="${reading.device}"]`)) {
    const { metric, second } = tile.dataset;
    if (second && reading.metric === second) {
      tile.dataset.secondValue = reading.value;
      if (reading.t === Number(tile.dataset.t)) refreshTile(tile);
    }
    if (reading.metric !== metric || reading.t < Number(tile.dataset.t ?? 0)) continue;
    tile.dataset.t = reading.t;
    tile.dataset.value = reading.value;
    tile.querySelector(SHOWN).href = `/evidence/reading/${reading.device}/${reading.seq}/`;
    refreshTile(tile, true);
  }
}

/** Make number and age of a tile true; `fade` marks a change once. */
export function refreshTile(tile, fade = false) {
  const { t, value, decimals, fresh, second, secondValue } = tile.dataset;
  const shown = tile.querySelector(SHOWN);
  if (t === undefined) return;
  const age = now() - Number(t);
  const stale = age > Number(fresh);
  tile.classList.toggle("stale", stale);
  let text = stale ? STALE : valueText(Number(value), Number(decimals));
  if (!stale && second && secondValue !== undefined) text += `/${valueText(Number(secondValue), Number(decimals))}`;
  if (shown.textContent !== text) {
    shown.textContent = text;
    if (fade && !stale) restart(shown);
  }
  const words = ageText(age);
  const ageElement = tile.querySelector(AGE);
  if (ageElement.textContent !== words) ageElement.textContent = words;
}

/** Make every tile of `scope` true. */
export function refreshTiles(scope = document) {
  for (const tile of scope.querySelectorAll(TILE)) refreshTile(tile);
}

function restart(element) {
  element.classList.remove("changed");
  void element.offsetWidth; // a style flush, or the animation would not begin again
  element.classList.add("changed");
}
