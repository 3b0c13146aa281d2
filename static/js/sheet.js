// A file of devices: read here and shown in the form, so that nothing leaves the browser before somebody has seen it.

const FORM = "[data-sheet]";
const CHOOSE = "[data-choose]";
const FILE = "#file";
const SAID = "#file-said";
const TEXT = "#sheet";

const form = document.querySelector(FORM);
const said = form.querySelector(SAID);

form.querySelector(CHOOSE).hidden = false;
form.querySelector(FILE).addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (!file) return;
  if (file.size > 4 * Number(form.dataset.most)) {
    said.textContent = `${file.name} is too long for one file of devices. Divide it.`;
    return;
  }
  try {
    form.querySelector(TEXT).value = decoded(await file.arrayBuffer());
    said.textContent = `${file.name} is shown below. Check it next.`;
  } catch {
    said.textContent = `${file.name} cannot be read. Save it as CSV once more, or paste its lines below.`;
  }
});

// Spreadsheets still save in the code page of their machine: what is no UTF-8 is read as that of western Europe.
function decoded(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}
