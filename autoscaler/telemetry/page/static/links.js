// Links to other sites open in a new tab, which knows nothing about this page. Only https is linked.
import {el} from './dom.js';

let documentation = null;
export const documented = address => { documentation = address; };

export function link(text, address, more = {}) {
  if (!/^https:[/]{2}/.test(address ?? '')) return null;
  return el('a', {href: address, target: '_blank', rel: 'noopener noreferrer', ...more}, text);
}

// A link to the documentation, or only the text.
const to = page => documentation && `${documentation}${page}`;
export const toRule = (text, rule) => link(text, to(`rules.md#${rule}`), {class: 'quiet', title: 'What this rule does'}) ?? text;
export const toDemand = text => link(text, to('deciding.md'), {class: 'quiet', title: 'How the demand is computed'}) ?? text;
export const toRunbook = alert => link('What to do', to(`runbook.md#${alert}`));

// Text for a shell: as it is, or quoted.
export const quoted = text => /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

// A command with a button that copies it. Without the Clipboard API (it needs https or localhost) the text is selected.
export function command(text) {
  const code = el('code', {tabindex: '0'}, text), state = el('span', {class: 'hidden', role: 'status'});
  const button = el('button', {type: 'button', 'aria-label': `Copy: ${text}`}, 'Copy');
  button.onclick = async () => {
    let done = 'Copied';
    try { await navigator.clipboard.writeText(text); } catch {
      getSelection().selectAllChildren(code);
      done = 'Selected';
    }
    button.textContent = state.textContent = done;
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  };
  return el('div', {class: 'command'}, code, button, state);
}
