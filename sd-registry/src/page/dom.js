// Making and changing elements. Text goes in as text, whoever wrote it: there is no way to markup here.

/** The element of this id. */
export const byId = (id) => document.getElementById(id);

/** A new element; `attributes` are set as such, children are elements or text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Writes text, if it is another than what stands there: what has not changed is not laid out again. */
export function write(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** Shows or hides. */
export function show(element, isShown) {
  if (element.hidden === isShown) {
    element.hidden = !isShown;
  }
}

/** Sets an attribute, if it is another than what stands there. */
export function mark(element, name, value) {
  if (element.getAttribute(name) !== value) {
    element.setAttribute(name, value);
  }
}
