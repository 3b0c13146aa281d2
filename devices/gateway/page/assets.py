"""The page's style and script, served by the gateway itself: it has no internet."""

from __future__ import annotations

CSS = """
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #fff; --ink: #16202c; --quiet: #4d5a69; --edge: #c9d0d9;
  --good: #0b6b3a; --bad: #a3160f; --calm: #5b4a00; --badground: #fdecea; --button: #0a4f9e; --buttonink: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #10151c; --card: #1a222c; --ink: #e8edf3; --quiet: #a9b5c3; --edge: #3a4654; --good: #6fd7a0;
    --bad: #ff9d94; --calm: #f0d98a; --badground: #3a1a18; --button: #8fc1ff; --buttonink: #0b1420; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 0 1rem 2rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
header, main { max-width: 60rem; margin: 0 auto; }
h1 { font-size: 1.5rem; margin: 1rem 0; } h2 { font-size: 1.125rem; margin: 0 0 .5rem; }
h3 { font-size: 1rem; margin: 0 0 .25rem; } p { margin: .25rem 0; overflow-wrap: anywhere; }
section { background: var(--card); border: 1px solid var(--edge); border-radius: .5rem; padding: 1rem;
  margin: 0 0 1rem; }
.line .mark { display: inline-block; width: .75rem; height: .75rem; margin-right: .5rem; background: var(--good); }
.line.good .mark { border-radius: 50%; } .line.bad .mark { background: var(--bad); }
.line.bad { border-color: var(--bad); } .line.bad h2 { color: var(--bad); }
.alarm { border-left: .375rem solid var(--calm); padding: .5rem .75rem; margin: .5rem 0; }
.alarm.pressing { border-color: var(--bad); background: var(--badground); } .alarm.pressing h3 { color: var(--bad); }
.quiet { color: var(--quiet); } .said { background: var(--card); border: 2px solid var(--button); padding: .75rem; }
.frame { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .375rem .75rem .375rem 0; border-bottom: 1px solid var(--edge);
  vertical-align: top; }
thead th { color: var(--quiet); font-weight: 600; } tbody th { font-weight: 600; }
form { margin-top: .5rem; display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; }
button, input { font: inherit; min-height: 2.75rem; border-radius: .375rem; padding: 0 1rem; }
input { border: 1px solid var(--quiet); background: var(--card); color: var(--ink); width: 9rem; }
button { border: 0; background: var(--button); color: var(--buttonink); font-weight: 600; cursor: pointer; }
:focus-visible { outline: 3px solid var(--button); outline-offset: 2px; }
ul { margin: .25rem 0; padding-left: 1.25rem; }
@media (max-width: 30rem) { th, td { padding-right: .5rem; font-size: .875rem; } }
"""

JS = """
// Fetches the page's middle anew every few seconds, unless somebody is at a button or a field of it.
const EVERY_MS = 3000;
const live = document.querySelector("[data-live]");
const tick = async () => {
  if (document.hidden || live.contains(document.activeElement)) return;
  try {
    const answer = await fetch("/part", { cache: "no-store" });
    if (answer.ok && !live.contains(document.activeElement)) live.innerHTML = await answer.text();
  } catch { /* the gateway is starting anew; the next round tells */ }
};
setInterval(tick, EVERY_MS);
"""
