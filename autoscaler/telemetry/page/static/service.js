// One service: all data is fetched once, and then updated by events.
import {charts} from './charts.js';
import {decisionList, showNewest} from './decisions.js';
import {$, attribute, el, fill, put} from './dom.js';
import {showCommands, showCost, showEcs, showEstimates, showHead, showInTime, showLinks, showQueues, showSettings, showStarts, showTiles, showTrouble} from './facts.js';
import {Hours} from './history.js';
import {documented} from './links.js';
import {listen} from './live.js';
import {HOUR, keepAgo, setAgo, setNow, sinceWhen} from './words.js';

const key = decodeURIComponent(location.pathname.split('/').pop());
const address = `/api/v1/services/${encodeURIComponent(key)}`;
const RANGES = new Map([['1', 'hour'], ['6', '6 hours'], ['24', '24 hours']]), USUAL = '6';
const MOST_POINTS = 3000; // the daemon stores fewer: more are from updates of this page, and are then fetched again
let service = null, hours = null, drawn = null, range = chosenRange();
const decisions = decisionList(), decidedAt = document.createElement('time');
$('decided-at').append(decidedAt);

// The answer with all data. Null: the daemon does not answer.
const fetched = () => fetch(address).catch(() => null);

async function begin() {
  const answer = await fetched();
  if (!answer) return refuse('The daemon does not answer. Check that it runs, then reload this page.');
  if (answer.status === 404) return unknown((await answer.json()).services);
  if (!answer.ok) return refuse(`The daemon answered with HTTP ${answer.status}. Reload this page to try again.`);
  service = await answer.json();
  documented(service.documentation);
  setNow(service.at);
  decisions.add(service.decisions);
  if (service.history) {
    hours = new Hours(service.history);
    drawn = charts(hours, ends, () => service.row, decisions.changes, decisions.open);
  }
  $('hours').hidden = !service.history;
  $('notice').hidden = !service.not_kept;
  put($('notice'), service.not_kept ? `${service.not_kept}. Use your metrics system.` : '');
  showLinks(service.console);
  showSettings(service.settings, service.defaults);
  show(service, service.decisions[0]);
  listen(() => `${address}/events?since=${service.at}`, onNews, isGone);
  document.documentElement.dataset.drawn = 'yes';
}

function onNews(news) {
  service = {...service, ...news};
  setNow(news.at);
  show(service, news.newest);
  decisions.add(news.decisions);
  if (!hours) return;
  hours.add(news.points);
  drawn.update();
  if (hours.size > MOST_POINTS) renew();
}

// Whether the service was removed while its page was open: its last values must not be taken for live ones.
async function isGone() {
  const answer = await fetched();
  if (answer?.status !== 404) return false;
  unknown((await answer.json()).services);
  return true;
}

async function renew() {
  const answer = await fetched();
  if (answer?.ok) hours.replace((await answer.json()).history);
}

function show(now, newest) {
  showHead(now, newest?.advice);
  showTrouble(now);
  showTiles(now);
  showCost(now);
  showQueues(now.queues, now.console);
  showEcs(now.ecs);
  showEstimates(now.estimates);
  showStarts(now.starts);
  showCommands(key, now.row.paused);
  showRange();
  if (newest) {
    showNewest($('decided'), newest);
    setAgo(decidedAt, newest.wall);
  } else put($('decided'), 'No poll yet.');
}

// The range of the charts: in the address, and remembered for the next service.
function chosenRange() {
  const named = new URLSearchParams(location.search).get('hours');
  if (RANGES.has(named)) return named;
  try {
    const kept = localStorage.getItem('hours');
    if (RANGES.has(kept)) return kept;
  } catch { /* storage is disabled */ }
  return USUAL;
}
function choose(name) {
  range = name;
  try { localStorage.setItem('hours', name); } catch { /* storage is disabled */ }
  history.replaceState(null, '', `?hours=${name}${location.hash}`);
  showRange();
  drawn.whole();
}
const isYounger = () => hours.firstAt > hours.lastAt - range * HOUR + 60;
// At least a minute: after the first poll there is only one instant.
function ends() {
  return [Math.min(hours.lastAt - 60, Math.max(hours.firstAt, hours.lastAt - range * HOUR)), hours.lastAt];
}
function showRange() {
  const when = hours && isYounger() ? sinceWhen(hours.firstAt) : `the last ${RANGES.get(range)}`;
  put($('h-hours'), when[0].toUpperCase() + when.slice(1));
  for (const button of $('ranges').children) attribute(button, 'aria-pressed', button.dataset.hours === range);
  showInTime(service.in_time, range * HOUR, when);
}
fill($('ranges'), ...[...RANGES.keys()].map(name => el('button', {type: 'button', 'data-hours': name, onclick: () => choose(name)}, `${name} h`)));

function refuse(...words) {
  put($('line'), 'disconnected');
  $('main').replaceChildren($('notice'));
  for (const id of ['slo', 'shadow', 'trouble', 'facts', 'as-json', 'as-situations']) $(id).remove();
  $('notice').hidden = false;
  fill($('notice'), ...words);
  document.documentElement.dataset.drawn = 'none';
}

// A name that was mistyped, or a service that is gone: the most similar names.
function unknown(keys) {
  const parts = key.toLowerCase().split(/[^a-z0-9]+/).filter(part => part.length > 2);
  const shared = name => parts.filter(part => name.toLowerCase().includes(part)).length;
  const near = keys.map(name => [name, shared(name)]).filter(([, parts]) => parts).sort((a, b) => b[1] - a[1]).slice(0, 5);
  const also = near.flatMap(([name], at) => [at ? ', ' : ' Similar names: ', el('a', {href: `/services/${encodeURIComponent(name)}`}, name)]);
  refuse('This daemon has no service of this name. It may have been removed or renamed: ',
    el('a', {href: '/'}, 'see all services'), ', or check the settings with ', el('code', {}, 'autoscaler check'), '.', ...also, also.length ? '.' : null);
}

put($('key'), key);
document.title = `${key} · autoscaler`;
$('as-json').href = address;
$('as-situations').href = `${address}/decisions`;
keepAgo();
begin();
