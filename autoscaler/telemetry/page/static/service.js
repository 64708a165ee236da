// One service: all data is fetched once, and then updated by events.
import {charts} from './charts.js';
import {decisionList, showNewest} from './decisions.js';
import {$, put} from './dom.js';
import {showEstimates, showHead, showQueues, showSettings, showTiles} from './facts.js';
import {Hours} from './history.js';
import {listen} from './live.js';
import {keepAgo, setAgo, setNow} from './words.js';

const key = decodeURIComponent(location.pathname.split('/').pop());
const address = `/api/v1/services/${encodeURIComponent(key)}`;
let service = null, hours = null, drawn = null, since = 0;
const decisions = decisionList(), decidedAt = document.createElement('time');
$('decided-at').append(decidedAt);

async function begin() {
  const answer = await fetch(address);
  if (!answer.ok) return refuse(answer.status);
  service = await answer.json();
  setNow(service.at);
  if (service.history) {
    hours = new Hours(service.history);
    drawn = charts(hours, () => service.row.latency_s ?? 0);
  }
  $('hours').hidden = !service.history;
  $('notice').hidden = !service.not_kept;
  put($('notice'), service.not_kept ? `${service.not_kept}. Use your metrics system.` : '');
  showSettings(service.settings, service.defaults);
  const [newest] = service.decisions;
  show(service, newest);
  decisions.add(service.decisions);
  listen(() => `${address}/events?since=${since}`, onNews);
  document.documentElement.dataset.drawn = 'yes';
}

function onNews(news) {
  service = {...service, ...news};
  setNow(news.at);
  show(service, news.newest);
  decisions.add(news.decisions);
  if (hours) {
    hours.add(news.points);
    drawn.update();
  }
}

function show(now, newest) {
  since = now.at;
  showHead(now);
  showTiles(now);
  showQueues(now.queues);
  showEstimates(now.estimates);
  if (newest) {
    showNewest($('decided'), newest);
    setAgo(decidedAt, newest.wall);
  } else put($('decided'), 'No poll yet.');
}

function refuse(status) {
  put($('line'), 'disconnected');
  $('main').replaceChildren($('notice'));
  $('notice').hidden = false;
  $('slo').remove();
  $('shadow').remove();
  put($('notice'), status === 404 ? 'Service not found: it may have been removed or renamed.' : `The daemon returned HTTP ${status}.`);
  document.documentElement.dataset.drawn = 'none';
}

put($('key'), key);
document.title = `${key} · autoscaler`;
$('as-json').href = address;
$('as-situations').href = `${address}/decisions`;
keepAgo();
begin();
