// A decision: its full sentence, and the steps from the demand to the target.
import {$, el, fill, put} from './dom.js';
import {clock, count, exact, several} from './words.js';

const VERDICTS = {scale_out: ['▲', 'out'], scale_in: ['▼', 'in'], hold: ['=', 'stays at']};
const OUTCOMES = {accepted: 'accepted by ECS', unchanged: 'no change', shadow: 'shadow mode: no request to ECS'};
const named = rule => rule.replaceAll('_', ' ');
const outcome = one => OUTCOMES[one.outcome] ?? `failed: ${one.failure ?? named(one.outcome)}`;

export function walk(one) {
  if (one.target == null) return el('p', {class: 'note fault'}, one.failure ?? 'no decision');
  const demand = one.demand == null ? step('demand', '–', 'no signal could be read') : step('demand', count(one.demand), reasonOf(one), terms(one));
  const steps = one.steps.map(({rule, from, to, reason: why}) => step(named(rule), `${count(from)} → ${count(to)}`, why));
  const [, word] = VERDICTS[one.verdict];
  const change = one.verdict === 'hold' ? `stays at ${count(one.current)}` : `scale ${word} from ${count(one.current)}`;
  return el('ol', {class: 'walk'}, demand, ...steps, step('target', count(one.target), `${change}; ${outcome(one)}`));
}
const step = (rule, counts, why, more) => el('li', {}, el('span', {class: 'rule'}, rule), el('span', {class: 'counts'}, counts), el('span', {class: 'reason'}, why, more));

// The terms of the demand. The one that decided is the largest, or the smallest limit if that is below it.
function terms(one) {
  if (!one.terms.length) return null;
  const several = new Set(one.terms.map(term => term.vote)).size > 1;
  const row = term => el('tr', {class: term.decides ? 'decides' : null},
    el('th', {scope: 'row'}, several ? `${term.vote}: ${named(term.name)}` : named(term.name)),
    el('td', {class: 'counts'}, `${term.cap ? '≤ ' : ''}${term.tasks}`),
    el('td', {}, term.decides ? el('b', {}, 'decides: ') : null, term.reason));
  return el('table', {class: 'terms', 'aria-label': 'Terms of the demand, in tasks'}, el('tbody', {}, ...one.terms.map(row)));
}
const reasonOf = one => one.votes.map(vote => one.votes.length > 1 ? `${vote.signal}: ${vote.reason}: ${several(vote.tasks, 'task')}` : vote.reason).join('; ');

function notes(one) {
  const ages = Object.entries(one.ages_s).map(([name, age]) => `${name} ${age.toFixed(0)} s`);
  return [
    ...one.faults.map(fault => el('p', {class: 'note fault'}, `${fault.signal}: ${fault.reason}`)),
    ...one.notices.map(notice => el('p', {class: 'note fault'}, notice.text)),
    one.clearing && el('p', {class: 'note'}, one.clearing.text),
    one.schedule && el('p', {class: 'note'}, `min and max tasks from schedule ${one.schedule}`),
    ages.length && el('p', {class: 'note'}, `sample age: ${ages.join(', ')}`),
  ].filter(Boolean);
}

export function showNewest(place, one) {
  fill(place, el('p', {class: 'quote'}, one.sentence), walk(one), ...notes(one));
}

const FEW = 10;

// The list shows the newest decisions first. The details of a decision are built when it is opened.
export function decisionList() {
  const known = new Map(), list = $('decisions');
  let whole = false;

  function add(entries) {
    const fresh = entries.filter(one => !known.has(one.wall) && one.event != null);
    for (const one of fresh) known.set(one.wall, {one, node: line(one)});
    const all = [...known.values()].sort((a, b) => b.one.wall - a.one.wall);
    for (const {one} of all.splice(50)) known.delete(one.wall);
    if (fresh.length) arrange(all);
    else if (!all.length) arrange([]);
  }
  function arrange(all = [...known.values()].sort((a, b) => b.one.wall - a.one.wall)) {
    const few = all.length > FEW && !whole, only = $('changes').checked, shown = all.filter(({one}) => !only || one.verdict === 'scale_out' || one.verdict === 'scale_in');
    $('more').hidden = !few || shown.length <= FEW;
    put($('more'), `Show all ${shown.length}`);
    if (few) shown.splice(FEW);
    shown.forEach(({node}, at) => { if (list.children[at] !== node) list.insertBefore(node, list.children[at] ?? null); });
    while (list.children.length > shown.length) list.lastChild.remove();
    $('no-decisions').hidden = shown.length > 0;
    put($('no-decisions'), all.length ? 'No changes in these decisions.' : 'No decisions yet.');
  }
  $('changes').onchange = () => arrange();
  $('more').onclick = () => {
    whole = true;
    const next = list.children.length;
    arrange();
    list.children[next]?.querySelector('summary').focus();
  };
  return {add};
}

function line(one) {
  const [sign, word] = VERDICTS[one.verdict] ?? ['?', 'no decision'];
  const change = one.verdict == null ? word : one.verdict === 'hold' ? `${word} ${count(one.current)}` : `${word} ${count(one.current)} → ${count(one.target)}`;
  const time = el('time', {datetime: one.ts, title: exact(one.wall)}, clock(one.wall));
  const verdict = el('span', {class: `verdict ${one.verdict ?? 'missing'}`}, el('span', {'aria-hidden': 'true'}, `${sign} `), change);
  const details = el('details', {}, el('summary', {}, time, verdict, el('span', {class: 'words'}, one.sentence)));
  details.addEventListener('toggle', () => {
    if (details.open && !details.querySelector('.more')) details.append(el('div', {class: 'more'}, walk(one), ...notes(one)));
  });
  return el('li', {}, details);
}
