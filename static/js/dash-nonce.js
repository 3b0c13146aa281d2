// A classic script, because it must run before Dash's. Dash's and plotly's scripts make <style> elements and write `style`
// attributes; the page's policy takes the first only with the page's nonce and the second not at all. So each element
// gets the nonce as it is made, and each attribute is set through the element's CSSOM, which is the same to the eye and
// which markup that somebody smuggled in cannot do. The policy itself stays as strict as on every other page.
"use strict";
{
  const { nonce } = document.currentScript;
  const create = document.createElement;
  document.createElement = function (name, ...options) {
    const element = create.call(this, name, ...options);
    if (element instanceof HTMLStyleElement) element.nonce = nonce;
    return element;
  };
  const set = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (name, value) {
    if (String(name).toLowerCase() === "style" && this.style) this.style.cssText = value;
    else set.call(this, name, value);
  };
}
