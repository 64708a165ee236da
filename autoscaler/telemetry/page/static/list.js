// All services: the headline, the filters, and the table, kept up to date.
import {$, attribute, el, fill, marked, put} from './dom.js';
import {KINDS, costOf, grouped, isChosen, pickers, tallied} from './groups.js';
import {listen} from './live.js';
import {COLUMNS, sorted} from './order.js';
import {isPeeking, refreshPeek, watchPeeks} from './peek.js';
import {rowOf} from './row.js';
import {HOUR, SLO, count, dollars, keepAgo, now, setNow, several, sinceWhen} from './words.js';

const lines = new Map(), byNode = new WeakMap(), table = $('services'), body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
const initial = new URLSearchParams(location.search), given = name => initial.get(name) ?? '';
const view = {
  show: given('show') in SLO ? given('show') : 'all',
  cluster: given('cluster'), region: given('region'), mode: given('mode'),
  group: given('group') in KINDS ? given('group') : '',
  find: given('find'),
  sort: given('sort') in COLUMNS ? given('sort') : 'slo',
  direction: ['ascending', 'descending'].includes(given('direction')) ? given('direction') : null,
};
view.direction ??= COLUMNS[view.sort].first;
const NOTHING = {show: 'all', cluster: '', region: '', mode: '', find: ''};
const rowsOf = () => [...lines.values()].map(line => line.row);

// `rows`: a mark for measurements, after the first paint of the rows.
function onNews(news) {
  setNow(news.now);
  for (const row of news.rows) {
    if (!lines.has(row.key)) add(row.key);
    lines.get(row.key).show(row);
  }
  const listed = news.keys && new Set(news.keys);
  for (const key of listed ? [...lines.keys()] : []) if (!listed.has(key)) lines.delete(key);
  describe(news);
  summarize();
  arrange(false);
  refreshPeek();
  if (!document.documentElement.dataset.drawn) requestAnimationFrame(() => setTimeout(() => performance.mark('rows')));
  document.documentElement.dataset.drawn = 'yes';
}
function add(key) {
  const line = rowOf(key);
  lines.set(key, line);
  byNode.set(line.node, line);
}

// What the columns contain: a place if there are several, dollars if a price is known, and from when on.
function describe({remembers, most}) {
  const rows = rowsOf(), limit = `With more than ${count(most)} services, history`;
  $('notice').hidden = remembers;
  put($('notice'), remembers ? '' : `${limit} and earlier decisions are not stored here. Use your metrics system.`);
  for (const name of ['cluster', 'region']) table.dataset[`${name}s`] = new Set(rows.map(row => row[name])).size > 1 ? 'several' : 'one';
  table.dataset.cost = rows.some(row => row.cost != null) ? 'yes' : 'no';
  table.dataset.history = remembers ? 'yes' : 'no';
  const first = rows.reduce((least, {trend}) => trend ? Math.min(least, trend.first) : least, Infinity);
  for (const [column, lasts_s, words] of [['hour', HOUR, '1 h'], ['hours', 6 * HOUR, '6 h']]) {
    const from = first > now() - lasts_s && first < Infinity ? `${sinceWhen(first)}, when the daemon started` : `in the last ${words}`;
    head(column).title = remembers ? `Share of the messages that were received within the latency target, ${from}` : `${limit} is not stored`;
  }
}
const head = column => heads.find(one => one.dataset.column === column);

function summarize() {
  const all = lines.size, tally = tallied(lines.values());
  const targets = all - tally.none, {missed, at_risk: risk, unknown} = tally;
  const found = causes(), unread = found.reduce((sum, one) => sum + one.services, 0), outage = unread > missed ? found : [];
  const headline = all === 0 ? 'No services'
    : outage.length ? `${count(unread)} of ${several(all, 'service')} cannot be read: ${outage.length === 1 ? outage[0].cause : `${outage.length} causes`}`
    : missed ? `${count(missed)} of ${several(targets, 'service')} ${missed === 1 ? 'misses its' : 'miss their'} latency target`
    : unknown + risk ? 'No latency target is known to be missed' : 'Every latency target is met';
  put($('headline'), headline);
  put($('lead'), all ? `Latency target: the maximum time that a message waits before a task receives it.${spent()}` : 'No service is configured or discovered yet.');
  document.title = outage.length ? `? ${unread} unread · autoscaler` : missed ? `✕ ${missed} missed · autoscaler` : 'autoscaler';
  $('causes').hidden = outage.length < 2;
  fill($('causes'), ...outage.slice(0, MOST_CAUSES).map(one => el('li', {}, `${several(one.services, 'service')}: ${one.cause}`)),
    outage.length > MOST_CAUSES ? el('li', {}, several(outage.length - MOST_CAUSES, 'other cause')) : null);
  chips({all, ...tally});
  offer(view, rowsOf());
}
function spent() {
  const {cost, priced} = costOf(rowsOf());
  return priced ? ` Tasks today: ${dollars(cost)}${priced < lines.size ? ` for ${count(priced)} of ${several(lines.size, 'service')}` : ''}.` : '';
}

const MOST_CAUSES = 8;

// Why services cannot be read, the cause of most services first. A service that was not polled yet has none.
function causes() {
  const found = new Map();
  for (const {row} of lines.values()) if (row.unread != null) found.set(row.unread, (found.get(row.unread) ?? 0) + 1);
  return [...found].map(([cause, services]) => ({cause, services})).sort((a, b) => b.services - a.services);
}

const buttons = new Map();
function chips(tally) {
  for (const name of ['all', ...Object.keys(SLO)]) {
    if (!buttons.has(name)) buttons.set(name, chip(name));
    const {node, number} = buttons.get(name);
    put(number, count(tally[name]));
    attribute(node, 'aria-pressed', view.show === name);
    node.hidden = name !== 'all' && !tally[name] && view.show !== name;
  }
}
function chip(name) {
  const {sign, word} = SLO[name] ?? {}, number = el('b');
  const label = sign ? marked(name, sign, word) : 'all';
  const node = el('button', {type: 'button', 'data-show': name, onclick: () => choose({show: view.show === name ? 'all' : name})}, label, number);
  $('chips').append(node);
  return {node, number};
}

// Rows do not move while the pointer or the keyboard focus is in the table, except on a click or a key.
const held = () => matchMedia('(hover: hover)').matches && body.matches(':hover') || body.contains(document.activeElement) || isPeeking();
let placed = 0;
function arrange(moves) {
  const text = view.find.trim().toLowerCase();
  const chosen = [...lines.values()].filter(line => isChosen(view, line.row) && (!text || line.matches(text)));
  const groups = view.group ? grouped(chosen, view.group, () => arrange(true)) : null;
  if (moves || !held() || chosen.length !== placed) {
    const inOrder = members => sorted(members, view.sort, view.direction).map(line => line.node);
    place(groups ? groups.flatMap(({head, members}) => [head.node, ...head.isOpen ? inOrder(members) : []]) : inOrder(chosen));
    placed = chosen.length;
  }
  const all = lines.size, few = chosen.length < all;
  put($('shown'), all === 0 ? '' : few ? `${count(chosen.length)} of ${several(all, 'service')} shown` : '');
  $('clear').hidden = !few;
  $('tools').hidden = all < 2 && !few;
  for (const one of heads) attribute(one, 'aria-sort', one.dataset.column === view.sort ? view.direction : null);
  $('sort').value = view.sort;
  table.dataset.group = view.group;
}
function place(nodes) {
  const rows = body.rows;
  if (nodes.length === rows.length && nodes.every((node, at) => node === rows[at])) return;
  const focused = body.contains(document.activeElement) ? document.activeElement : null;
  fill(body, ...nodes);
  focused?.focus({preventScroll: true});
}

function choose(change) {
  Object.assign(view, change);
  const query = new URLSearchParams();
  if (view.show !== 'all') query.set('show', view.show);
  for (const name of ['cluster', 'region', 'mode', 'group', 'find']) if (view[name]) query.set(name, view[name]);
  if (view.sort !== 'slo' || view.direction !== COLUMNS.slo.first) query.set('sort', view.sort);
  if (view.direction !== COLUMNS[view.sort].first) query.set('direction', view.direction);
  history.replaceState(null, '', query.size ? `?${query}` : location.pathname);
  summarize();
  arrange(true);
}
function sortBy(column) {
  const {first} = COLUMNS[column], turned = view.direction === 'ascending' ? 'descending' : 'ascending';
  choose({sort: column, direction: column === view.sort ? turned : first});
}

const offer = pickers(choose);
for (const one of heads) one.querySelector('button').onclick = () => sortBy(one.dataset.column);
for (const [name, {label}] of Object.entries(COLUMNS)) $('sort').append(el('option', {value: name}, label));
$('sort').onchange = () => choose({sort: $('sort').value, direction: COLUMNS[$('sort').value].first});
$('find').value = view.find;
$('find').oninput = () => choose({find: $('find').value});
$('tools').onsubmit = event => event.preventDefault();
$('clear').onclick = () => {
  $('find').value = '';
  choose(NOTHING);
};
addEventListener('keydown', event => {
  if (event.key === '/' && !event.ctrlKey && !event.metaKey && !event.target.matches('input, select')) {
    event.preventDefault();
    $('find').focus();
  } else if (event.key === 'Escape' && event.target === $('find') && view.find) {
    $('find').value = '';
    choose({find: ''});
  }
});
// The head of the table stays below the tools, which can have two lines.
new ResizeObserver(() => table.style.setProperty('--tools', `${$('tools').offsetHeight}px`)).observe($('tools'));
watchPeeks(body, node => byNode.get(node));
keepAgo();
listen(() => '/api/v1/events', onNews);
