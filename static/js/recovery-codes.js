// Recovery codes leave the page as a file or on paper; the server cannot show them again.

const CODES = document.querySelector("#codes");
const SAVE = document.querySelector("[data-save-codes]");
const PRINT = document.querySelector("[data-print]");

SAVE.hidden = PRINT.hidden = false;
PRINT.addEventListener("click", () => window.print());
SAVE.addEventListener("click", () => {
  const lines = [...CODES.children].map((line) => line.textContent);
  const text = `Medtwin recovery codes for ${CODES.dataset.account}\n${location.host}\n\n${lines.join("\n")}\n`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = "medtwin-recovery-codes.txt";
  link.click();
  URL.revokeObjectURL(link.href);
});
