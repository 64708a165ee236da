// One service as a row of the table. It is built once; later, only changed parts are written.
import {attribute, el, fill, put} from './dom.js';
import {SLO, count, dollars, duration, modeOf, pauseOf, setAgo, shadowOf} from './words.js';

export function rowOf(key) {
  const link = el('a', {href: `/services/${encodeURIComponent(key)}`}, key);
  const sub = el('span', {class: 'sub'}), sign = el('i', {'aria-hidden': 'true'}), word = el('span');
  const mark = el('span', {class: 'mark'}, sign, word), reason = el('span', {class: 'sub'});
  const wait = el('span', {class: 'value'}), target = el('span', {class: 'sub'}), meter = el('span', {class: 'meter', 'aria-hidden': 'true'});
  const backlog = el('span', {class: 'value'}), flying = el('span', {class: 'sub'});
  const tasks = el('span', {class: 'value'}), bounds = el('span', {class: 'sub'}), cost = el('span', {class: 'sub'});
  const sentence = el('span', {class: 'sentence'}), shadow = el('span', {class: 'sub shadow'}), since = el('time', {'data-unchanged': ''}), when = el('span', {class: 'sub'}, since);
  const node = el('tr', {role: 'row'},
    el('th', {role: 'rowheader', scope: 'row'}, link, sub),
    el('td', {role: 'cell'}, mark, reason),
    el('td', {role: 'cell', class: 'number', 'data-label': 'oldest message'}, wait, target, meter),
    el('td', {role: 'cell', class: 'number', 'data-label': 'backlog'}, backlog, flying),
    el('td', {role: 'cell', class: 'number', 'data-label': 'tasks'}, tasks, bounds, cost),
    el('td', {role: 'cell'}, sentence, shadow, when));
  node.addEventListener('click', event => {
    if (!event.target.closest('a') && !event.ctrlKey && !event.metaKey && !getSelection().toString()) link.click();
  });

  let row = null, seen = '';
  function show(next) {
    row = next;
    seen = `${row.key}\n${row.cluster}\n${row.region ?? ''}\n${row.sentence ?? ''}\n${pauseOf(row.paused) ?? ''}\n${row.mode}`.toLowerCase();
    const slo = SLO[row.slo], fine = row.slo === 'met' || row.slo === 'none';
    attribute(node, 'class', row.slo);
    attribute(mark, 'class', `mark ${row.slo}`);
    attribute(mark, 'title', row.reason);
    put(sign, slo.sign);
    put(word, slo.word);
    put(reason, fine ? '' : row.reason);
    showTags(sub, row);
    put(wait, duration(row.oldest_s));
    put(target, row.latency_s == null ? '' : `target ${duration(row.latency_s)}`);
    meter.hidden = row.oldest_s == null || row.latency_s == null;
    meter.style.setProperty('--part', Math.min(1, row.oldest_s / row.latency_s || 0));
    put(backlog, count(row.waiting));
    put(flying, row.in_flight == null ? '' : `${count(row.in_flight)} in flight`);
    put(tasks, row.running != null && row.running !== row.desired ? `${count(row.running)} → ${count(row.desired)}` : count(row.desired));
    attribute(tasks, 'title', row.running == null ? null : `${row.running} running, ${row.desired} desired`);
    put(bounds, `${row.desired != null && row.desired >= row.max ? 'at most' : `${count(row.min)} to`} ${count(row.max)}`);
    put(cost, row.cost == null ? '' : `${dollars(row.cost)} today`);
    put(sentence, row.sentence ?? row.reason);
    shadow.hidden = row.activate == null;
    put(shadow, shadowOf(row.activate));
    when.hidden = row.sentence == null;
    setAgo(since, row.since);
  }
  return {node, show, get row() { return row; }, matches: text => seen.includes(text)};
}

function showTags(sub, row) {
  const tags = [pauseOf(row.paused), modeOf(row.mode), row.schedule && `schedule ${row.schedule}`].filter(Boolean);
  const shown = [row.cluster, ...tags].join('|');
  if (sub.dataset.shown === shown) return;
  sub.dataset.shown = shown;
  fill(sub, row.cluster, ...tags.flatMap(tag => [' ', el('span', {class: 'tag strong'}, tag)]));
}
