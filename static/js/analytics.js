// The filters of an analytics page live in its URL: a choice changes the URL, and Dash's Location reads it from there.

const form = document.querySelector("#filters");

function show(query) {
  for (const select of form.elements) {
    if (select instanceof HTMLSelectElement) select.value = query.get(select.name) ?? select.options[0].value;
  }
}

form.addEventListener("change", () => {
  const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  history.pushState(null, "", `${location.pathname}?${query}`);
  dispatchEvent(new PopStateEvent("popstate")); // what dcc.Location listens to
});

form.addEventListener("submit", (event) => event.preventDefault());

addEventListener("popstate", () => {
  const query = new URLSearchParams(location.search);
  if (!query.has("period")) query.set("period", form.dataset.period);
  show(query);
});
