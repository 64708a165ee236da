// Nodes contain text only: no name can become markup.
export const $ = id => document.getElementById(id);

export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value == null || value === false) continue;
    if (name === 'class') node.className = value;
    else if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter(child => child != null && child !== '' && child !== false));
  return node;
}

// A status with its sign. Screen readers read only the text.
export const marked = (style, sign, text) => el('span', {class: `mark ${style}`}, el('i', {'aria-hidden': 'true'}, sign), text);

// Writes only a changed text, so that an unchanged one is not laid out or read out again.
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function attribute(node, name, value) {
  if (value == null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

export function fill(node, ...children) {
  node.replaceChildren(...children.filter(child => child != null));
}
