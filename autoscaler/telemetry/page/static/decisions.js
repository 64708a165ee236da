// A decision: its full sentence, and the steps from the demand to the target.
import {$, el, fill, put} from './dom.js';
import {toDemand, toRule} from './links.js';
import {clock, count, duration, exact, several, withoutName} from './words.js';

const VERDICTS = {scale_out: ['▲', 'out'], scale_in: ['▼', 'in'], hold: ['=', 'stays at']};
const OUTCOMES = {accepted: 'accepted by ECS', unchanged: 'no change', shadow: 'shadow mode: no request to ECS'};
const named = rule => rule.replaceAll('_', ' ');
const outcome = one => OUTCOMES[one.outcome] ?? `failed: ${one.failure ?? named(one.outcome)}`;

export function walk(one) {
  if (one.target == null) return el('p', {class: 'note fault'}, one.failure ?? 'no decision');
  const demand = one.demand == null ? step(toDemand('demand'), '–', 'no signal could be read') : step(toDemand('demand'), count(one.demand), reasonOf(one), terms(one));
  const steps = one.steps.map(({rule, from, to, reason: why}) => step(toRule(named(rule), rule), `${count(from)} → ${count(to)}`, why));
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
    ...one.notices.filter(({text}) => text !== `${one.advice?.cause}; ${one.advice?.remedy}`).map(notice => el('p', {class: 'note fault'}, notice.text)),
    one.clearing && el('p', {class: 'note'}, one.clearing.text),
    one.schedule && el('p', {class: 'note'}, `min and max tasks from schedule ${one.schedule}`),
    ages.length && el('p', {class: 'note'}, `sample age: ${ages.join(', ')}`),
  ].filter(Boolean);
}

const COUNTS = /^(?:stays at )?[\d,]+(?: -> [\d,]+)? tasks? \([^()]*\): /; // what the line of a decision shows before its sentence
// The sentence without the name of the service, which is the title of the page.
const unnamed = ({sentence}) => withoutName(sentence, $('key').textContent);

export function showNewest(place, one) {
  fill(place, el('p', {class: 'quote'}, unnamed(one)), walk(one), ...notes(one));
}

const FEW = 10;
const CHANGES = new Set(['scale_out', 'scale_in']);
const isChange = ({verdict}) => CHANGES.has(verdict);
// What did not stay the same is listed: a change of the count, a fault, and the first poll after it.
const isListed = one => isChange(one) || one.verdict == null || one.event !== 'holding';
const same = (one, other) => one.event === other.event && one.verdict === other.verdict && one.current === other.current
  && one.target === other.target && one.rule === other.rule && one.outcome === other.outcome && !isChange(one);

// The list shows the newest decisions first. Equal ones in a row are one line. The details of a decision are built when it is opened.
export function decisionList() {
  const known = new Map(), lines = new Map(), list = $('decisions');
  let whole = false;

  const newestFirst = () => [...known.values()].sort((a, b) => b.wall - a.wall);
  function add(entries) {
    const fresh = entries.filter(one => !known.has(one.wall) && one.event != null);
    for (const one of fresh) known.set(one.wall, one);
    for (const {wall} of newestFirst().slice(50)) known.delete(wall);
    if (fresh.length || !known.size) arrange();
  }
  // Decisions in a row that are the same, newest first in each.
  function folded(all) {
    const runs = [];
    for (const one of all) {
      const run = runs[runs.length - 1];
      if (run && same(run[run.length - 1], one)) run.push(one); else runs.push([one]);
    }
    return runs;
  }
  // A line is made again if its run has grown, and stays open.
  function lineOf(run) {
    const oldest = run[run.length - 1].wall, before = lines.get(oldest);
    if (before?.size === run.length && before.newest === run[0].wall) return before.node;
    const node = line(run), isOpen = before?.node.querySelector('details').open;
    if (isOpen) node.querySelector('details').open = true;
    lines.set(oldest, {node, size: run.length, newest: run[0].wall});
    return node;
  }
  function arrange() {
    const all = newestFirst(), runs = folded($('everything').checked ? all : all.filter(isListed));
    const few = runs.length > FEW && !whole, nodes = (few ? runs.slice(0, FEW) : runs).map(lineOf);
    $('more').hidden = !few;
    put($('more'), `Show all ${runs.length}`);
    const focused = list.contains(document.activeElement) ? document.activeElement : null;
    nodes.forEach((node, at) => { if (list.children[at] !== node) list.insertBefore(node, list.children[at] ?? null); });
    while (list.children.length > nodes.length) list.lastChild.remove();
    focused?.focus({preventScroll: true});
    for (const [wall] of lines) if (!known.has(wall)) lines.delete(wall);
    $('no-decisions').hidden = nodes.length > 0;
    put($('no-decisions'), all.length ? `No changes yet: the count has stayed at ${count(all[0].current)}.` : 'No decisions yet.');
  }
  $('everything').onchange = arrange;
  $('more').onclick = () => {
    whole = true;
    const next = list.children.length;
    arrange();
    list.children[next]?.querySelector('summary').focus();
  };
  // Opens the line of this decision, and moves the focus to it.
  function open({wall}) {
    whole = true;
    arrange();
    const details = lines.get(wall)?.node.querySelector('details');
    if (!details?.isConnected) return;
    details.open = true;
    details.scrollIntoView({block: 'center', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth'});
    details.querySelector('summary').focus({preventScroll: true});
  }
  const changes = () => newestFirst().filter(one => isChange(one) && one.event !== 'scale_failed').reverse();
  return {add, open, changes};
}

function line(run) {
  const [one] = run, {wall} = run[run.length - 1], [sign, word] = VERDICTS[one.verdict] ?? ['?', 'no decision'];
  const change = one.verdict == null ? word : one.verdict === 'hold' ? `${word} ${count(one.current)}` : `${word} ${count(one.current)} → ${count(one.target)}`;
  const lasted = one.wall - wall, time = el('time', {datetime: new Date(wall * 1000).toISOString(), title: exact(wall)}, clock(wall));
  const verdict = el('span', {class: `verdict ${one.verdict ?? 'missing'}`}, el('span', {'aria-hidden': 'true'}, `${sign} `), change);
  const folded = run.length > 1 ? el('span', {class: 'sub'}, `${one.verdict == null ? 'repeated' : 'unchanged'} for ${rounded(lasted)}`) : null;
  const details = el('details', {}, el('summary', {}, time, verdict, el('span', {class: 'words'}, el('span', {class: 'sentence'}, unnamed(one).replace(COUNTS, '')), folded)));
  details.addEventListener('toggle', () => {
    if (details.open && !details.querySelector('.more')) details.append(el('div', {class: 'more'}, walk(one), ...notes(one)));
  });
  return el('li', {}, details);
}
const rounded = seconds => seconds < 90 ? `${Math.round(seconds)} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : duration(seconds);
