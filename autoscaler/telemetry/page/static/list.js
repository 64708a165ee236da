// All services: the headline, the filter, and the table, kept up to date.
import {$, attribute, el, fill, put} from './dom.js';
import {listen} from './live.js';
import {COLUMNS, sorted} from './order.js';
import {rowOf} from './row.js';
import {SLO, count, dollars, keepAgo, setNow, several} from './words.js';

const lines = new Map(), body = $('services').tBodies[0], heads = [...$('services').tHead.rows[0].cells];
const initial = new URLSearchParams(location.search);
const view = {
  show: initial.get('show') in SLO ? initial.get('show') : 'all',
  find: initial.get('find') ?? '',
  sort: initial.get('sort') in COLUMNS ? initial.get('sort') : 'slo',
  direction: initial.get('direction') === 'descending' ? 'descending' : initial.get('direction') === 'ascending' ? 'ascending' : null,
};
view.direction ??= COLUMNS[view.sort].first;

function onNews(news) {
  setNow(news.now);
  for (const row of news.rows) {
    if (!lines.has(row.key)) lines.set(row.key, rowOf(row.key));
    lines.get(row.key).show(row);
  }
  const listed = news.keys && new Set(news.keys);
  for (const key of listed ? [...lines.keys()] : []) if (!listed.has(key)) lines.delete(key);
  $('notice').hidden = news.remembers;
  put($('notice'), news.remembers ? '' : `With more than ${count(news.most)} services, history and earlier decisions are not stored here. Use your metrics system.`);
  summarize();
  arrange(false);
  document.documentElement.dataset.drawn = 'yes';
}

function summarize() {
  const tally = Object.fromEntries(Object.keys(SLO).map(one => [one, 0])), all = lines.size;
  for (const {row} of lines.values()) tally[row.slo] += 1;
  const targets = all - tally.none, {missed, at_risk: risk, unknown} = tally;
  const found = causes(), unread = found.reduce((sum, one) => sum + one.services, 0), outage = unread > missed ? found : [];
  const headline = all === 0 ? 'No services'
    : outage.length ? `${count(unread)} of ${several(all, 'service')} cannot be read: ${outage.length === 1 ? outage[0].cause : `${outage.length} causes`}`
    : missed ? `${count(missed)} of ${several(targets, 'service')} ${missed === 1 ? 'misses its' : 'miss their'} latency target`
    : unknown + risk ? 'No latency target is known to be missed' : 'Every latency target is met';
  put($('headline'), headline);
  const costs = [...lines.values()].map(line => line.row.cost).filter(cost => cost != null), sum = costs.reduce((one, other) => one + other, 0);
  const spent = costs.length ? ` Tasks today: ${dollars(sum)}${costs.length < all ? ` for ${count(costs.length)} of ${several(all, 'service')}` : ''}.` : '';
  const parts = [missed && `${count(missed)} missed`, risk && `${count(risk)} at risk`, unknown && `${count(unknown)} unknown`, tally.met && `${count(tally.met)} met`, tally.none && `${count(tally.none)} without a queue`];
  put($('lead'), all ? `Latency target: the maximum time that a message waits before a task receives it. ${parts.filter(Boolean).join(', ')}.${spent}` : 'No service is configured or discovered yet.');
  document.title = outage.length ? `? ${unread} unread · autoscaler` : missed ? `✕ ${missed} missed · autoscaler` : 'autoscaler';
  $('causes').hidden = outage.length < 2;
  fill($('causes'), ...outage.slice(0, MOST_CAUSES).map(one => el('li', {}, `${several(one.services, 'service')}: ${one.cause}`)),
    outage.length > MOST_CAUSES ? el('li', {}, several(outage.length - MOST_CAUSES, 'other cause')) : null);
  chips({all, ...tally});
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
  const label = sign ? el('span', {class: `mark ${name}`}, el('i', {'aria-hidden': 'true'}, sign), word) : 'all';
  const node = el('button', {type: 'button', 'data-show': name, onclick: () => choose({show: view.show === name ? 'all' : name})}, label, number);
  $('chips').append(node);
  return {node, number};
}

// Rows do not move while the pointer or the keyboard focus is in the table, except on a click or a key.
const held = () => matchMedia('(hover: hover)').matches && body.matches(':hover') || body.contains(document.activeElement);
function arrange(now) {
  const text = view.find.trim().toLowerCase();
  const chosen = [...lines.values()].filter(line => (view.show === 'all' || line.row.slo === view.show) && (!text || line.matches(text)));
  if (now || !held() || chosen.length !== body.rows.length) place(sorted(chosen, view.sort, view.direction).map(line => line.node));
  const all = lines.size, few = chosen.length < all;
  put($('shown'), all === 0 ? '' : few ? `${count(chosen.length)} of ${several(all, 'service')} shown` : '');
  for (const head of heads) attribute(head, 'aria-sort', head.dataset.column === view.sort ? view.direction : null);
  $('sort').value = view.sort;
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
  if (view.find) query.set('find', view.find);
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

for (const head of heads) head.querySelector('button').onclick = () => sortBy(head.dataset.column);
for (const [name, {label}] of Object.entries(COLUMNS)) $('sort').append(el('option', {value: name}, label));
$('sort').onchange = () => choose({sort: $('sort').value, direction: COLUMNS[$('sort').value].first});
$('find').value = view.find;
$('find').oninput = () => choose({find: $('find').value});
$('tools').onsubmit = event => event.preventDefault();
addEventListener('keydown', event => {
  if (event.key === '/' && !event.ctrlKey && !event.metaKey && !event.target.matches('input, select')) {
    event.preventDefault();
    $('find').focus();
  } else if (event.key === 'Escape' && event.target === $('find') && view.find) {
    $('find').value = '';
    choose({find: ''});
  }
});
keepAgo();
listen(() => '/api/v1/events', onNews);
