// Light or dark: the system decides until the person chooses; the choice stays in this browser. Canvases redraw on change.

const KEY = "medtwin-theme";
const CHOICES = ["system", "light", "dark"];
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();

/** The person's choice: "system", "light" or "dark". */
export function chosenTheme() {
  try {
    const stored = localStorage.getItem(KEY);
    return CHOICES.includes(stored) ? stored : "system";
  } catch {
    return "system"; // storage may be switched off; the page still works
  }
}

/** Keep and apply a choice. */
export function chooseTheme(choice) {
  try {
    localStorage.setItem(KEY, choice);
  } catch {
    // kept for this page only
  }
  apply(choice);
}

/** Resolved colour of a token in the current theme: `colour("--accent")`. */
export function colour(token) {
  return getComputedStyle(root).getPropertyValue(token).trim();
}

/** Call `listener` whenever the colours changed. */
export function onTheme(listener) {
  listeners.add(listener);
}

function apply(choice) {
  if (choice === "system") delete root.dataset.theme;
  else root.dataset.theme = choice;
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
  }
  for (const listener of listeners) listener();
}

apply(chosenTheme()); // this module blocks rendering, so that a dark ward never flashes white
system.addEventListener("change", () => apply(chosenTheme()));
document.addEventListener("DOMContentLoaded", () => apply(chosenTheme()));
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-theme-choice]");
  if (button) chooseTheme(button.dataset.themeChoice);
});
