// Builds DOM from data. Text only enters through text nodes, so nothing in an answer can become
// markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An HTML element. `attributes` with the value `null`, `undefined` or `false` are omitted, `true`
 * gives an empty one, and a function is an event listener under its "on…" name. `children` may be
 * nested and hold nodes, texts and `null`.
 */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function shape(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}

/**
 * Replaces the children of `parent` and returns the focus to the element with the same `data-key`,
 * if one had it.
 */
export function replace(parent, ...children) {
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset?.key : undefined;
  parent.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  if (focused === undefined) return;
  for (const candidate of parent.querySelectorAll("[data-key]")) {
    if (candidate.dataset.key === focused) {
      candidate.focus({ preventScroll: true });
      return;
    }
  }
}
