// Passkeys: a form that carries options asks the browser for a credential when it is submitted, and sends what it gets.
// The server gives and takes bytes as base64url text; the browser wants them as bytes.

const FORM = "form[data-passkey]";
const SORRY = "[data-no-passkeys]";
const PROBLEM = "[data-passkey-problem]";

const toBytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

function opened(options) {
  const known = (list) => (list ?? []).map((one) => ({ ...one, id: toBytes(one.id) }));
  const bytes = { ...options, challenge: toBytes(options.challenge) };
  if (options.user) bytes.user = { ...options.user, id: toBytes(options.user.id) };
  if (options.excludeCredentials) bytes.excludeCredentials = known(options.excludeCredentials);
  if (options.allowCredentials) bytes.allowCredentials = known(options.allowCredentials);
  return bytes;
}

function written(credential) {
  const response = { clientDataJSON: toText(credential.response.clientDataJSON) };
  for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[part]) response[part] = toText(credential.response[part]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return {
    id: credential.id,
    rawId: toText(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: credential.getClientExtensionResults(),
    response,
  };
}

async function optionsOf(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options);
  const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return (await answer.json()).request_options;
}

async function ask(form) {
  const publicKey = opened((await optionsOf(form)).publicKey);
  const credential = await navigator.credentials[form.dataset.passkey]({ publicKey });
  form.elements.credential.value = JSON.stringify(written(credential));
  form.submit();
}

function explain(form, error) {
  const said = {
    NotAllowedError: "Nothing was changed: the passkey was not unlocked in time, or you cancelled. Try again or use a code.",
    InvalidStateError: "This device holds a passkey for this account already.",
    SecurityError: "Passkeys work only under a host name with https (or http://localhost). Open the page there.",
  };
  const place = form.querySelector(PROBLEM);
  place.textContent = said[error.name] ?? "The passkey could not be used. Use a code instead.";
  place.hidden = false;
  form.querySelector("button").disabled = false;
}

for (const sorry of document.querySelectorAll(SORRY)) sorry.hidden = Boolean(window.PublicKeyCredential);
for (const form of document.querySelectorAll(FORM)) {
  form.hidden = !window.PublicKeyCredential;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    form.querySelector("button").disabled = true;
    form.querySelector(PROBLEM).hidden = true;
    ask(form).catch((error) => explain(form, error));
  });
}
