// The adherence page: a plot wider than the screen opens at its newest days.

const WIDE = "[data-scroll-end]";

for (const frame of document.querySelectorAll(WIDE)) frame.scrollLeft = frame.scrollWidth;
