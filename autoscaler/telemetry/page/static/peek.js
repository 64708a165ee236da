// The whole decision of a row, next to it, while the pointer rests on its status or its decision, or its link has the
// keyboard focus. Escape closes it. Narrow screens show everything in the card.
import {$, attribute, el, fill, put} from './dom.js';
import {SLO, problemOf, setAgo, shadowOf, withoutName} from './words.js';

const RESTED_MS = 250, GAP = 2;
const card = $('peek'), narrow = matchMedia('(max-width: 1160px)');
let line = null, timer = 0;

export const isPeeking = () => !card.hidden;

export function refreshPeek() {
  if (line && !line.node.isConnected) close();
  else if (line) write();
}

export function watchPeeks(body, lineOf) {
  const over = event => event.target.closest?.('td.why, td.status, #peek');
  addEventListener('pointerover', event => {
    const place = over(event), next = place && lineOf(place.parentNode);
    clearTimeout(timer);
    if (place === card || (next && next === line)) return;
    timer = setTimeout(() => next ? open(next) : isPeeking() && !focused() && close(), RESTED_MS);
  });
  body.addEventListener('focusin', event => {
    const next = lineOf(event.target.closest('tr'));
    if (next && event.target.matches(':focus-visible')) open(next);
  });
  body.addEventListener('focusout', close);
  addEventListener('scroll', () => focused() ? place() : close(), {passive: true});
  document.documentElement.addEventListener('pointerleave', () => focused() || close());
  addEventListener('keydown', event => event.key === 'Escape' && close());
}

const focused = () => line?.node.contains(document.activeElement);

function open(next) {
  if (narrow.matches) return;
  close();
  line = next;
  card.hidden = false;
  attribute(line.link, 'aria-describedby', 'peek');
  write();
  place();
}

// Below the row, or above it if there is no space.
function place() {
  const row = line.node.getBoundingClientRect(), below = row.bottom + GAP, {offsetHeight: high, offsetWidth: wide} = card;
  card.style.setProperty('left', `${row.right - wide}px`);
  card.style.setProperty('top', `${below + high < innerHeight ? below : Math.max(GAP, row.top - high - GAP)}px`);
}

function close() {
  clearTimeout(timer);
  if (line) attribute(line.link, 'aria-describedby', null);
  line = null;
  card.hidden = true;
}

const reason = el('p', {class: 'mark'}), sentence = el('p'), shadow = el('p', {class: 'shadow'}), since = el('time', {'data-unchanged': ''});
const when = el('p', {class: 'sub'}, since);
fill(card, reason, sentence, shadow, when);

function write() {
  const {row} = line, problem = problemOf(row);
  reason.hidden = problem == null;
  attribute(reason, 'class', `mark ${row.slo}`);
  put(reason, problem == null ? '' : `${SLO[row.slo].sign} ${problem}`);
  sentence.hidden = row.verdict == null && problem != null;
  put(sentence, withoutName(row.sentence ?? row.reason, row.key));
  shadow.hidden = row.activate == null;
  put(shadow, shadowOf(row.activate));
  when.hidden = row.sentence == null;
  setAgo(since, row.since);
}
