// The data of a service except its decisions: latency target, queues, cost, estimates, settings.
import {$, attribute, el, fill, marked, put} from './dom.js';
import {command, link, quoted, toRunbook} from './links.js';
import {SLO, count, dollars, duration, exact, minute, plainly, several, shadowOf, tagsOf} from './words.js';

const RUNBOOK = {missed: 'autoscalerslomissed', at_risk: 'autoscalersloatrisk', unknown: 'autoscalermissingsignal'};

const sentence = text => text ? `${text[0].toUpperCase()}${text.slice(1)}.` : null;

// `advice`: the cause that comes first, and its remedy.
export function showHead({row, ecs_service: service, assumption, trouble}, advice) {
  fill($('facts'),
    el('li', {}, el('b', {}, `${row.cluster}/${service}`)),
    row.region && el('li', {}, row.region),
    el('li', {}, `${count(row.min)} to ${several(row.max, 'task')}`),
    row.latency_s != null && el('li', {}, `latency target ${duration(row.latency_s)}`),
    ...tagsOf(row).map(tag => el('li', {}, el('span', {class: 'tag strong'}, tag))));
  const {sign, headline} = SLO[row.slo];
  attribute($('slo'), 'class', `slo ${row.slo}`);
  put($('assumption'), assumption ?? '');
  const page = RUNBOOK[row.slo] && toRunbook(RUNBOOK[row.slo]), {cause = '', remedy = ''} = advice ?? {};
  // the reason can be the advice, or contain it: each is shown once, the cause first
  const reason = remedy ? row.reason.replace(`; ${remedy}`, '') : row.reason;
  const isFirst = cause && page && !reason.includes(cause), isLimit = cause && !page;
  fill($('slo-now'), marked(row.slo, sign, headline), `: ${isFirst ? cause : reason}`);
  fill($('advice'), isLimit ? `${sentence(cause)} ` : null, remedy ? el('b', {}, sentence(remedy)) : null,
    remedy && page ? ' ' : null, page || null, isFirst ? ` ${sentence(reason)}` : null);
  $('shadow').hidden = row.activate == null;
  put($('shadow'), row.activate == null ? '' : `${shadowOf(row.activate)} Read docs/shadow.md first.`);
}

// `when`: the time that the numbers are of, such as "the last hour".
export function showInTime(all, range_s, when) {
  const found = all?.find(one => one.over_s === range_s);
  put($('in-time'), found && found.received >= 1 ? inTimeText(found, when) : '');
}
function inTimeText({received, late}, when) {
  const share = 100 * (1 - Math.min(1, late / received)), digits = share > 99 && share < 100 ? 2 : 1;
  const shown = late < 0.5 ? 'All' : `${(Math.floor(share * 10 ** digits) / 10 ** digits).toFixed(digits)} %`;
  return `${shown} of about ${several(Math.round(received), 'message')} in time, ${when.startsWith('since') ? '' : 'in '}${when} (estimated).`;
}

// Why tasks do not start or stay up: the diagnosis of the daemon, or else what ECS itself says.
export function showTrouble({trouble, diagnosis, at, row}) {
  $('trouble').hidden = trouble == null && diagnosis == null;
  if (diagnosis) showDiagnosis(diagnosis, at, row.key);
  if (diagnosis || !trouble) return;
  fill($('trouble'), el('b', {}, `${several(trouble.missing, 'task')} ${trouble.missing === 1 ? 'does' : 'do'} not start. `),
    'ECS reports: ', el('q', {}, trouble.text), ` (${duration(trouble.age_s)} ago). `, toRunbook('autoscalerstalledstart'));
}

function showDiagnosis({at: read_at, text, findings, stops, not_seen: gaps}, at, key) {
  const [{class: kind, source, text: first} = {}] = findings;
  // the paragraph begins with the main finding
  const rest = first && text.startsWith(first) ? text.slice(first.length) : ` ${text}`;
  fill($('trouble'), first ? el('b', {}, first) : null, `${rest} (${kind ? `class ${kind}, ` : ''}read ${duration(Math.max(0, at - read_at))} ago) `,
    link('AWS documentation', source), ' ', toRunbook('autoscalerstalledstart'),
    stops.length > 1 ? el('ul', {}, ...stops.map(stop => el('li', {}, stop))) : null,
    ...gaps.map(({what, why, remedy}) => el('div', {}, `Not seen: ${what}: ${why}${remedy ? `; ${remedy}` : ''}.`)),
    command(`autoscaler diagnose ${quoted(key)}`));
}

// Links to the console are null outside the known partitions.
export function showLinks(console) {
  const queues = Object.entries(console?.queues ?? {}), [, only] = queues.length === 1 ? queues[0] : [];
  const links = console ? [link('Service in ECS', console.service), link('Log', console.log), link('Queue', only?.queue), link('Metrics of the queue', only?.metrics)].filter(Boolean) : [];
  $('console').hidden = !links.length;
  fill($('console'), el('span', {}, 'AWS console:'), ...links);
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

// The same hours with another way to scale. The bars compare task-hours, which are known without a price.
export function showCost({cost: {compared, basis, since}}) {
  $('cost').hidden = !compared.length;
  if (!compared.length) return;
  const most = Math.max(...compared.map(one => one.task_hours), 1e-9), isPriced = compared[0].dollars != null;
  put($('cost-since'), `since ${minute(since)}`);
  attribute($('cost-since'), 'title', exact(since));
  $('cost').querySelector('th:last-child').hidden = !isPriced;
  const names = {this: 'This service', fixed: `Fixed fleet of ${several(compared.find(one => one.name === 'fixed').tasks, 'task')}`, keda: 'KEDA’s rule'};
  fill($('cost').querySelector('tbody'), ...compared.map(one => {
    const bar = el('span', {class: `bar-of ${one.name}`, 'aria-hidden': 'true'});
    bar.style.setProperty('--part', one.task_hours / most);
    return el('tr', {}, el('th', {scope: 'row'}, names[one.name]), el('td', {class: 'bar-cell'}, bar),
      number('task-hours', plainly(one.task_hours)), isPriced && number('cost', dollars(one.dollars)));
  }));
  put($('cost-basis'), isPriced ? `Price: ${basis}.` : `No dollars: ${basis ?? 'the price is not known yet'}.`);
}

export function showCommands(key, paused) {
  const name = quoted(key), texts = [`autoscaler explain ${name}`, `autoscaler ${paused == null ? 'pause' : 'resume'} ${name}`];
  if ($('commands').dataset.shown === texts.join()) return;
  $('commands').dataset.shown = texts.join();
  fill($('commands'), ...texts.map(command));
}

export function showQueues(queues, console) {
  $('queues').hidden = !queues.length;
  fill($('queues').querySelector('tbody'), ...queues.map(queue => {
    const {queue: address, metrics} = console?.queues[queue.name] ?? {};
    return el('tr', {}, el('th', {scope: 'row'}, link(queue.name, address) ?? queue.name, metrics && ' ', link('metrics', metrics, {class: 'small', 'aria-label': `CloudWatch metrics of ${queue.name}`}),
      queue.gap && el('span', {class: 'sub gap'}, queue.gap)),
    number('visible', count(queue.visible)), number('in flight', count(queue.in_flight)), number('delayed', count(queue.delayed)),
    number('oldest message', duration(queue.oldest_s)), number('latency target', duration(queue.latency_s)));
  }));
}
const cell = (name, ...content) => el('td', {'data-name': name}, ...content);
const number = (name, text) => el('td', {'data-name': name, class: 'number'}, text);

// What ECS does with the tasks, in the words of the daemon.
export function showEcs(ecs) {
  const lines = ecs?.lines ?? [];
  $('ecs').hidden = !lines.length;
  fill($('ecs').querySelector('tbody'), ...lines.map(({name, text}) => el('tr', {}, el('th', {scope: 'row'}, `${name[0].toUpperCase()}${name.slice(1)}`), el('td', {}, text))));
}

export function showEstimates(estimates) {
  $('estimates').hidden = !estimates.length;
  fill($('estimates').querySelector('tbody'), ...estimates.map(one => el('tr', {}, el('th', {scope: 'row'}, one.name, one.note && el('span', {class: 'sub'}, one.note)),
    number('value', `${plainly(one.value)} ${one.unit}`.trim()), cell('confidence', ...confidence(one)),
    cell('newest observation', one.fixed ? 'configured, not learned' : one.age_s == null ? 'none yet' : one.age_s < 2 ? 'now' : `${duration(one.age_s)} ago`))));
}
// Before the first observation the value is assumed or configured: it is not shown as if it were learned.
function confidence(one) {
  if (one.source) return [el('span', {class: 'tag'}, one.source.startsWith('the setting') ? `from ${one.source}` : one.source)];
  const meter = el('span', {class: `meter ${one.learned ? 'learned' : ''}`, 'aria-hidden': 'true'});
  meter.style.setProperty('--part', one.confidence);
  return [meter, one.fixed ? 'configured' : `${Math.round(one.confidence * 100)} %${one.learned ? '' : ', still learning'}`];
}

// Where the start-up time goes: a bar of the medians for each revision, and all numbers in words below it.
export function showStarts(starts) {
  const gap = starts?.gap ?? null, leftOut = starts?.dropped ? `${several(starts.dropped, 'task')} left out: their times are missing, contradict each other or are in the future.` : null;
  $('starts').hidden = !starts?.revisions.length && gap == null;
  fill($('revisions'), ...(starts?.revisions ?? []).map(revisionStarts));
  $('starts-gap').hidden = gap == null && leftOut == null;
  put($('starts-gap'), [gap && `Not read: ${[gap, starts.remedy].filter(Boolean).join('; ')}.`, leftOut].filter(Boolean).join(' '));
}
function revisionStarts({revision, text, whole, phases, health}) {
  const known = Object.entries(phases);
  const bar = el('div', {class: 'phases', 'aria-hidden': 'true'}, ...known.map(([name, times]) => {
    const part = el('span', {class: name, title: `${name}: median ${plainly(times.median_s)} s`}, name);
    part.style.setProperty('--part', Math.max(times.median_s, 0.01));
    return part;
  }));
  const late = `90 % within ${plainly(whole.p90_s)} s${known.length ? `: ${known.map(([name, times]) => `${plainly(times.p90_s)} ${name}`).join(', ')}` : ''}.`;
  return el('div', {class: 'revision'}, el('h3', {}, revision, el('small', {}, ` ${several(whole.starts, 'start')}`)), known.length ? bar : null,
    el('p', {}, `${text[0].toUpperCase()}${text.slice(1)}.`), el('p', {class: 'note'}, [late, health && `${health.text[0].toUpperCase()}${health.text.slice(1)}.`].filter(Boolean).join(' ')));
}

export function showSettings(settings, defaults) {
  $('settings').querySelector('h2').hidden = false;
  const value = text => el('td', {class: 'value', 'data-name': 'value'}, text);
  const rows = settings.map(one => el('tr', {}, el('th', {scope: 'row'}, one.name), value(one.value), el('td', {class: 'origin', 'data-name': 'from'}, one.origin)));
  fill($('settings').querySelector('tbody'), ...(rows.length ? rows : [el('tr', {}, el('td', {colspan: 3}, 'The sources of the settings are unknown.'))]));
  fill($('defaults').querySelector('tbody'), ...defaults.map(one => el('tr', {}, el('th', {scope: 'row'}, one.name), value(one.value))));
}
