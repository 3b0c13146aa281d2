// A classic script, because it must run before Dash's. Dash's and plotly's scripts make <style> elements; the page's policy
// takes those only with the page's nonce, so each gets it as it is made. The policy itself stays as strict as elsewhere.
"use strict";
{
  const { nonce } = document.currentScript;
  const create = document.createElement;
  document.createElement = function (name, ...options) {
    const element = create.call(this, name, ...options);
    if (element instanceof HTMLStyleElement) element.nonce = nonce;
    return element;
  };
}
