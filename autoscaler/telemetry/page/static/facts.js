// The data of a service except its decisions: latency target, queues, estimates, settings.
import {$, attribute, el, fill, put} from './dom.js';
import {SLO, count, dollars, duration, exact, modeOf, pauseOf, plainly, several, shadowOf} from './words.js';

export function showHead({row, ecs_service: service, in_time: inTime}) {
  const tags = [pauseOf(row.paused), modeOf(row.mode), row.schedule && `schedule ${row.schedule}`].filter(Boolean);
  fill($('facts'),
    el('li', {}, el('b', {}, `${row.cluster}/${service}`)),
    row.region && el('li', {}, row.region),
    el('li', {}, `${count(row.min)} to ${several(row.max, 'task')}`),
    row.latency_s != null && el('li', {}, `latency target ${duration(row.latency_s)}`),
    ...tags.map(tag => el('li', {}, el('span', {class: 'tag strong'}, tag))));
  const {sign, headline} = SLO[row.slo];
  attribute($('slo'), 'class', `slo ${row.slo}`);
  fill($('slo'), el('span', {class: `mark ${row.slo}`}, el('i', {'aria-hidden': 'true'}, sign), headline), `: ${row.reason}`, inTimeText(inTime));
  showShadow(row.activate);
}

function showShadow(activate) {
  $('shadow').hidden = activate == null;
  put($('shadow'), activate == null ? '' : `${shadowOf(activate)} Read docs/shadow.md first.`);
}

function inTimeText(inTime) {
  if (!inTime || inTime.received < 1) return null;
  const share = 100 * (1 - Math.min(1, inTime.late / inTime.received)), digits = share > 99 && share < 100 ? 2 : 1;
  const shown = inTime.late < 0.5 ? 'all' : `${(Math.floor(share * 10 ** digits) / 10 ** digits).toFixed(digits)} %`;
  return el('span', {class: 'sub'}, `In the last six hours: ${shown} of about ${count(Math.round(inTime.received))} messages in time (estimated).`);
}

export function showTiles({row, cost}) {
  const tiles = [
    ['Oldest message', duration(row.oldest_s), row.latency_s == null ? '' : `target ${duration(row.latency_s)}`],
    ['Backlog', count(row.waiting), 'visible messages'],
    ['In flight', count(row.in_flight), 'messages'],
    ['Tasks', count(row.running), row.running === row.desired ? 'running, as desired' : `running, ${count(row.desired)} desired`],
    costTile(cost),
  ];
  fill($('tiles'), ...tiles.map(([name, value, more, title = null]) => el('div', {title}, el('dt', {}, name), el('dd', {}, value, el('small', {}, more)))));
}

// The day is that of UTC. After a restart of the daemon it begins later: the title says when.
function costTile({today_dollars: spent, today_task_hours: hours, today_idle_ratio: idle, basis, since}) {
  const parts = [`${plainly(hours)} task-hours`, idle != null && `${Math.round(100 * idle)} % idle`].filter(Boolean).join(', ');
  const title = [basis, since != null && `since ${exact(since)}`].filter(Boolean).join('; ');
  return ['Cost today', dollars(spent), spent == null ? `${parts}; no price` : parts, title];
}

export function showQueues(queues) {
  $('queues').hidden = !queues.length;
  fill($('queues').querySelector('tbody'), ...queues.map(queue => el('tr', {}, el('th', {scope: 'row'}, queue.name, queue.gap && el('span', {class: 'sub gap'}, queue.gap)),
    number(count(queue.visible)), number(count(queue.in_flight)), number(count(queue.delayed)), number(duration(queue.oldest_s)), number(duration(queue.latency_s)))));
}
const number = text => el('td', {class: 'number'}, text);

export function showEstimates(estimates) {
  $('estimates').hidden = !estimates.length;
  fill($('estimates').querySelector('tbody'), ...estimates.map(one => el('tr', {}, el('th', {scope: 'row'}, one.name),
    number(`${plainly(one.value)} ${one.unit}`.trim()), el('td', {}, ...confidence(one)), el('td', {}, one.fixed ? 'configured, not learned' : one.age_s == null ? 'none yet' : `${duration(one.age_s)} ago`))));
}
function confidence(one) {
  const meter = el('span', {class: `meter ${one.learned ? 'learned' : ''}`, 'aria-hidden': 'true'});
  meter.style.setProperty('--part', one.confidence);
  return [meter, one.fixed ? 'configured' : `${Math.round(one.confidence * 100)} %${one.learned ? '' : ', still learning'}`];
}

export function showSettings(settings, defaults) {
  $('settings').querySelector('h2').hidden = false;
  const rows = settings.map(one => el('tr', {}, el('th', {scope: 'row'}, one.name), el('td', {class: 'value'}, one.value), el('td', {class: 'origin'}, one.origin)));
  fill($('settings').querySelector('tbody'), ...(rows.length ? rows : [el('tr', {}, el('td', {colspan: 3}, 'The sources of the settings are unknown.'))]));
  fill($('defaults').querySelector('tbody'), ...defaults.map(one => el('tr', {}, el('th', {scope: 'row'}, one.name), el('td', {class: 'value'}, one.value))));
}
