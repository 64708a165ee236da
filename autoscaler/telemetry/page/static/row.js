// One service as a row of the table: one line, and a card on a narrow screen. It is built once; later, only changed
// parts are written.
import {attribute, el, fill, put} from './dom.js';
import {shares, spark} from './spark.js';
import {HOUR, SLO, count, dollars, duration, now, pauseOf, percent, problemOf, setAgo, several, shadowOf, sinceWhen, tagsOf, withoutName} from './words.js';

// Sparklines are drawn when their row is near the visible part of the page.
const whenNear = new WeakMap();
const nearness = new IntersectionObserver(found => found.forEach(one => whenNear.get(one.target)(one.isIntersecting)), {rootMargin: '500px'});

export function rowOf(key) {
  const link = el('a', {href: `/services/${encodeURIComponent(key)}`, title: key}, key), sub = el('span', {class: 'sub'});
  const sign = el('i', {'aria-hidden': 'true'}), word = el('span'), mark = el('span', {class: 'mark'}, sign, word);
  const missed = el('time'), recent = el('span', {class: 'recent'}, 'missed ', missed), reason = el('span', {class: 'reason'});
  const hour = el('span', {class: 'value'}), hours = el('span', {class: 'value'});
  const age = spark(), wait = el('span', {class: 'value'}), target = el('span', {class: 'sub'});
  const backlog = el('span', {class: 'value'}), flying = el('span', {class: 'sub'});
  const counts = spark(), tasks = el('span', {class: 'value'}), bounds = el('span', {class: 'sub'});
  const cost = el('span', {class: 'value'}), idle = el('span', {class: 'value'});
  const brief = el('span', {class: 'brief'}), sentence = el('span', {class: 'sentence'}), shadow = el('span', {class: 'shadow'});
  const since = el('time', {'data-unchanged': ''}), when = el('span', {class: 'when'}, since);
  const cell = (name, label, ...children) => el('td', {role: 'cell', class: name, 'data-label': label}, ...children);
  const node = el('tr', {role: 'row'},
    el('th', {role: 'rowheader', scope: 'row'}, link, sub),
    cell('status', null, mark, recent, reason),
    cell('number hour', 'in time, 1 h', hour),
    cell('number hours', 'in time, 6 h', hours),
    cell('number age', 'oldest message', age.svg, wait, target),
    cell('number backlog', 'backlog', backlog, flying),
    cell('number tasks', 'tasks', counts.svg, tasks, bounds),
    cell('number cost', 'cost today', cost),
    cell('number idle', 'idle', idle),
    cell('why', null, brief, sentence, shadow, when));
  node.addEventListener('click', event => {
    if (!event.target.closest('a') && !event.ctrlKey && !event.metaKey && !getSelection().toString()) link.click();
  });

  // The titles of a row are written when the pointer enters it.
  node.addEventListener('pointerenter', hint);
  whenNear.set(node, value => {
    isNear = value;
    if (isNear) draw();
  });
  nearness.observe(node);

  let row = null, seen = '', isNear = false;
  // A row without the key `trend` has the trend that was sent before.
  function show(next) {
    row = 'trend' in next ? next : {...next, trend: row?.trend ?? null};
    seen = `${row.key}\n${row.cluster}\n${row.region ?? ''}\n${row.sentence ?? ''}\n${pauseOf(row.paused) ?? ''}\n${row.mode}`.toLowerCase();
    showStatus();
    showTags(sub, row);
    showTrend();
    showNumbers();
    put(brief, row.brief ?? row.reason);
    sentence.hidden = row.verdict == null && reason.textContent !== '';
    put(sentence, withoutName(row.sentence ?? row.reason, row.key));
    shadow.hidden = row.activate == null;
    put(shadow, shadowOf(row.activate));
    when.hidden = row.sentence == null;
    setAgo(since, row.since);
  }
  function showStatus() {
    const slo = SLO[row.slo];
    attribute(node, 'class', row.slo);
    attribute(mark, 'class', `mark ${row.slo}`);
    put(sign, slo.sign);
    put(word, slo.word);
    put(reason, problemOf(row) ?? '');
    recent.hidden = row.missed_at == null;
    if (row.missed_at != null) setAgo(missed, row.missed_at);
  }
  function showTrend() {
    for (const [one, name] of [[hour, 'hour'], [hours, 'hours']]) {
      put(one, percent(row.trend?.[name]));
      attribute(one, 'class', `value ${gradeOf(row.trend?.[name])}`);
    }
    if (isNear) draw();
  }
  function draw() {
    const [top, levels] = row.trend?.age ?? [0, ''];
    age.draw(levels, row.latency_s && top ? row.latency_s / top : null, false);
    counts.draw(row.trend?.tasks[1] ?? '', null, true);
  }
  function hint() {
    const {trend} = row, during = trend && (sinceOf(trend, 6 * HOUR) || ' in 6 h');
    for (const [one, name, lasts_s] of [[hour, 'hour', HOUR], [hours, 'hours', 6 * HOUR]]) {
      attribute(one, 'title', trend && `${several(trend[name][0], 'message')} received, ${count(trend[name][1])} of them late${sinceOf(trend, lasts_s)}`);
    }
    const running = row.running == null ? '' : `${count(row.running)} running, ${count(row.desired)} desired, `;
    attribute(wait.parentNode, 'title', row.latency_s == null ? null : `target ${duration(row.latency_s)}${trend ? `; longest ${duration(longest(trend.age[1]) * trend.age[0])}${during}` : ''}`);
    attribute(backlog.parentNode, 'title', flying.textContent || null);
    attribute(tasks.parentNode, 'title', `${running}minimum ${count(row.min)}, maximum ${count(row.max)}${trend ? `; at most ${count(Math.round(trend.tasks[0]))}${during}` : ''}`);
  }
  function showNumbers() {
    const late = row.oldest_s != null && row.latency_s != null && row.oldest_s > row.latency_s;
    put(wait, duration(row.oldest_s));
    attribute(wait, 'class', late ? 'value late' : row.oldest_s ? 'value' : 'value quiet');
    put(target, row.latency_s == null ? '' : `target ${duration(row.latency_s)}`);
    put(backlog, count(row.waiting));
    attribute(backlog, 'class', row.waiting ? 'value' : 'value quiet');
    put(flying, row.in_flight == null ? '' : `${count(row.in_flight)} in flight`);
    put(tasks, row.running != null && row.running !== row.desired ? `${count(row.running)} → ${count(row.desired)}` : count(row.desired));
    attribute(tasks, 'class', row.desired ? 'value' : 'value quiet');
    put(bounds, row.desired != null && row.desired >= row.max ? `at most ${count(row.max)}` : `${count(row.min)} to ${count(row.max)}`);
    put(cost, dollars(row.cost));
    put(idle, row.idle == null ? '–' : `${Math.round(row.idle * 100)} %`);
    for (const one of [cost, idle]) attribute(one, 'class', one.textContent === '–' ? 'value quiet' : 'value');
  }
  return {node, link, show, get row() { return row; }, matches: text => seen.includes(text)};
}

const gradeOf = found => !found?.[0] ? 'quiet' : !found[1] ? 'full' : found[1] * 20 > found[0] ? 'late' : 'partly';
const sinceOf = (trend, lasts_s) => trend.first > now() - lasts_s ? ` ${sinceWhen(trend.first)}` : '';
const longest = levels => Math.max(0, ...shares(levels));

function showTags(sub, row) {
  const tags = tagsOf(row), shown = [row.cluster, row.region, ...tags].join('|');
  if (sub.dataset.shown === shown) return;
  sub.dataset.shown = shown;
  fill(sub, ...tags.map(tag => el('span', {class: 'tag strong', title: tag}, tag)), el('span', {class: 'cluster'}, row.cluster), row.region && el('span', {class: 'region'}, row.region));
  attribute(sub, 'title', [row.cluster, row.region].filter(Boolean).join(' · '));
}
