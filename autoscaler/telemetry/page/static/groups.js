// Filters and groups by cluster, Region, status and mode. One with a single value is not offered.
import {$, attribute, el, fill, marked, put} from './dom.js';
import {SLO, count, dollars, modeOf, several} from './words.js';

const OWN = 'default Region';
export const KINDS = {
  cluster: {word: 'cluster', every: 'all clusters', of: row => row.cluster},
  region: {word: 'Region', every: 'all Regions', of: row => row.region ?? OWN},
  mode: {word: 'mode', every: 'all modes', of: row => row.mode},
  status: {word: 'status', of: row => row.slo},
};
const FILTERS = Object.keys(KINDS).filter(kind => KINDS[kind].every);
const nameOf = (kind, value) => kind === 'mode' ? modeOf(value) ?? value : kind === 'status' ? SLO[value].word : value;

export const isChosen = (view, row) => (view.show === 'all' || row.slo === view.show)
  && FILTERS.every(kind => !view[kind] || KINDS[kind].of(row) === view[kind]);

// Creates the lists in the form. `choose` is called with the changed part of the view.
export function pickers(choose) {
  const lists = new Map(FILTERS.map(kind => [kind, picker(`Show services by ${KINDS[kind].word}`, value => choose({[kind]: value}))]));
  const group = picker('Group services', value => choose({group: value}));
  $('picks').append(...[...lists.values(), group].map(one => one.node));
  return (view, rows) => {
    const offered = [];
    for (const [kind, {word}] of Object.entries(KINDS)) {
      const values = [...new Set(rows.map(KINDS[kind].of))], chosen = view[kind] || null, several = values.length > 1;
      if (kind === 'status' || several || view.group === kind) offered.push([kind, `by ${word}`]);
      if (chosen && !values.includes(chosen)) values.push(chosen);
      lists.get(kind)?.show(several || chosen, [['', KINDS[kind].every], ...values.sort().map(value => [value, nameOf(kind, value)])], chosen ?? '');
    }
    group.show(rows.length > 1, [['', 'no groups'], ...offered], view.group);
  };
}

function picker(label, onPick) {
  const node = el('select', {'aria-label': label, onchange: () => onPick(node.value)});
  let shown = '';
  return {node, show(isUseful, options, chosen) {
    node.hidden = !isUseful;
    const next = JSON.stringify(options);
    if (next !== shown) fill(node, ...options.map(([value, text]) => el('option', {value}, text)));
    shown = next;
    if (node.value !== chosen) node.value = chosen;
    attribute(node, 'class', chosen ? 'chosen' : null);
  }};
}

const heads = new Map();

// The lines in groups, the worst group first: that of the worst status, then of most services with it.
export function grouped(lines, kind, onToggle) {
  const found = new Map(), {of} = KINDS[kind];
  for (const line of lines) {
    const value = of(line.row);
    if (!found.has(value)) found.set(value, []);
    found.get(value).push(line);
  }
  const groups = [...found].map(([value, members]) => ({head: headOf(kind, value, onToggle), value, members, tally: tallied(members)}));
  for (const one of groups) one.head.show(one);
  return groups.sort((a, b) => byTally(a.tally, b.tally) || (a.value < b.value ? -1 : 1));
}

export function tallied(lines) {
  const tally = Object.fromEntries(Object.keys(SLO).map(one => [one, 0]));
  for (const {row} of lines) tally[row.slo] += 1;
  return tally;
}

// The cost of the rows with a known one, and their number.
export function costOf(rows) {
  const costs = rows.map(row => row.cost).filter(one => one != null);
  return {cost: costs.reduce((sum, one) => sum + one, 0), priced: costs.length};
}

const WORST = ['missed', 'at_risk', 'unknown'];
function byTally(one, other) {
  const name = WORST.find(status => one[status] !== other[status]);
  return name ? other[name] - one[name] : 0;
}

function headOf(kind, value, onToggle) {
  const key = `${kind} ${value}`;
  if (!heads.has(key)) heads.set(key, head(kind, value, onToggle));
  return heads.get(key);
}

function head(kind, value, onToggle) {
  const button = el('button', {type: 'button', 'aria-expanded': 'true'}, el('i', {'aria-hidden': 'true'}, '▾'), el('b', {}, nameOf(kind, value)));
  const size = el('span', {class: 'size'}), marks = el('span', {class: 'marks', hidden: kind === 'status'}), cost = el('span', {class: 'spent'});
  const node = el('tr', {role: 'row', class: 'group'}, el('th', {role: 'rowheader', colspan: 10, 'aria-colspan': 10}, button, size, marks, cost));
  const made = {node, isOpen: true, show({members, tally}) {
    put(size, several(members.length, 'service'));
    const next = Object.keys(SLO).filter(one => tally[one]).map(one => `${one} ${tally[one]}`).join();
    if (marks.dataset.shown !== next) {
      marks.dataset.shown = next;
      fill(marks, ...Object.entries(SLO).filter(([one]) => tally[one]).map(([one, {sign, word}]) => marked(one, sign, `${count(tally[one])} ${word}`)));
    }
    const spent = costOf(members.map(({row}) => row));
    put(cost, spent.priced ? `${dollars(spent.cost)} today` : '');
  }};
  button.onclick = () => {
    made.isOpen = !made.isOpen;
    attribute(button, 'aria-expanded', made.isOpen);
    onToggle();
  };
  return made;
}
