// Three charts with one time axis: a selected time shows the values in all of them.
import {$, el, fill, put} from './dom.js';
import {lastUntil} from './figures.js';
import {linkedCharts} from './linked.js';
import {HOUR, clock, count, duration, exact, minute, plainly} from './words.js';

const CHARTS = [
  {title: 'Tasks', unit: '', lines: [['demand', 'demand', 'area', 1], ['desired', 'desired', 'orange', 1.5], ['running', 'running', 'blue', 1.75]], isStepped: true, isWhole: true, height: 200},
  {title: 'Backlog', unit: 'messages', lines: [['waiting', 'visible', 'blue', 1.75], ['in_flight', 'in flight', 'violet', 1.25]], filled: 'blue-soft', isWhole: true, height: 160},
  {title: 'Oldest message', unit: 'age', lines: [['oldest_s', 'oldest', 'violet', 1.5]], words: duration, hasTarget: true, height: 150},
];
const WHOLE = [0, 1, 2, 3, 4, 5, 6].flatMap(zeros => [1, 2, 5].map(one => one * 10 ** zeros));
const BEYOND = 2; // a demand of more than twice the other counts is above the scale

// `ends()`: the range to show. `row()`: the present values of the service. `changes()`: the decisions that changed the count, oldest
// first. `onDecision(decision)`: one was chosen.
export function charts(hours, ends, row, changes, onDecision) {
  const keys = new Map(), limits = [];
  let pointed = null, chosen = null, marks = [];

  function figure(chart) {
    const swatch = style => el('i', {class: style, 'aria-hidden': 'true'});
    const list = el('ul', {class: 'keys'}, ...chart.lines.map(([name, label, style]) => {
      keys.set(name, el('b'));
      return el('li', {}, swatch(style), label, keys.get(name));
    }), ...(chart.hasTarget ? [el('li', {}, swatch('red'), limit(() => `latency target ${duration(row().latency_s)}`))] : []),
    ...(chart.isStepped ? [el('li', {}, swatch('dots'), limit(() => `max ${count(row().max)}`)), el('li', {}, swatch('mark-dot'), 'decision')] : []));
    const place = el('div', {class: 'plot', tabindex: '0', role: 'application', 'aria-label': `${chart.title} over time; use the arrow keys to read values`, 'aria-describedby': 'read'});
    place.addEventListener('blur', () => linked.point(null));
    return el('figure', {class: 'chart'}, el('figcaption', {}, el('h3', {}, chart.title, ' ', el('small', {}, chart.unit)), list), place);
  }

  // A schedule or a reload of the settings changes the limits.
  function limit(text) {
    const node = el('span', {}, text());
    limits.push([node, text]);
    return node;
  }

  const latency = () => row().latency_s ?? 0;
  function plot({lines, filled, isStepped, isWhole, hasTarget, height, words = plainly}, index) {
    return {
      place: $('charts').children[index].lastChild, height, words,
      table: () => hours.table(...lines.map(([name]) => name)),
      series: lines.map(([, label, style, width], k) => style === 'area'
        ? {label, width, isStepped, stroke: 'grey', fill: 'grey-soft'}
        : {label, width, isStepped, stroke: style, fill: k === 0 ? filled : undefined}),
      ...(isWhole && {axis: {incrs: WHOLE}}),
      rows: at => tip(lines, words, at, isStepped),
      ...(hasTarget && {target: latency, y: {range: (u, min, max) => [0, Math.max(max, latency() * 1.15) * 1.06 || 1]}}),
      ...(isStepped && {
        y: {range: () => [0, countScale(inView())]},
        lines: () => [[row().max, `max ${count(row().max)}`]],
        over: u => beyond(inView(), u.scales.y.max),
        marks: () => ({at: marks.map(one => one.wall), value: k => marks[k].target, shown: chosen}),
      }),
      hooks: {init: [u => u.root.querySelector('canvas').setAttribute('aria-hidden', 'true')]},
    };
  }

  // The points between the ends of the time axis, as [first, last].
  function inView() {
    const [min, max] = linked.shown();
    return [hours.until(min), lastUntil(hours.at, max)];
  }
  const most = (name, [first, last]) => hours.lines[name].slice(first, last + 1).reduce((found, value) => Math.max(found, value ?? 0), 0);
  // The scale of the counts follows the desired and running tasks. A demand far above is cut off, so that they stay readable.
  function countScale(range) {
    const tasks = Math.max(1, most('desired', range), most('running', range)), demand = most('demand', range), max = row().max;
    const top = demand > tasks && demand <= BEYOND * tasks ? demand : tasks;
    return (max > top && max <= 1.4 * top ? max : top) * 1.15;
  }
  function beyond(range, top) {
    const demand = most('demand', range);
    if (demand <= top) return null;
    const k = hours.lines.demand.indexOf(demand, range[0]);
    return [hours.at[k], `demand ${count(demand)}`];
  }

  function tip(lines, words, at, isStepped) {
    const k = hours.until(at), mark = isStepped ? marks[near(at)] : null;
    const rows = lines.map(([name, label, style]) => [style, label, words(hours.lines[name][k])]);
    return mark ? [...rows, ['mark-dot', 'decision', `${count(mark.current)} → ${count(mark.target)}`]] : rows;
  }
  // The index of the decision at this instant: within a hundredth of the shown time.
  function near(at) {
    const [min, max] = linked.shown(), reach = (max - min) / 100, walls = marks.map(one => Math.abs(one.wall - at));
    const least = Math.min(...walls);
    return least <= reach ? walls.indexOf(least) : -1;
  }

  function step(by) {
    const last = hours.at.length - 1, here = pointed == null ? last : hours.until(pointed);
    linked.point(hours.at[Math.max(0, Math.min(last, here + by))]);
  }
  // To the next or the previous decision in view.
  function leap(by) {
    const [min, max] = linked.shown(), at = pointed ?? (by > 0 ? min - 1 : max + 1), some = marks.filter(one => one.wall >= min && one.wall <= max);
    const next = by > 0 ? some.find(one => one.wall > at + 0.5) : some.findLast(one => one.wall < at - 0.5);
    if (next) linked.point(next.wall);
  }
  function open(k) {
    if (!marks[k]) return;
    chosen = k;
    linked.redraw(0);
    onDecision(marks[k]);
  }
  function read(at) {
    pointed = at;
    const {at: times, lines: columns} = at == null ? hours.all : hours, k = at == null ? times.length - 1 : hours.until(at);
    for (const {lines, words} of CHARTS) for (const [name] of lines) put(keys.get(name), (words ?? plainly)(columns[name][k]));
    put($('read'), at == null || k < 0 ? '' : summary(k, at));
  }
  function summary(k, at) {
    const {waiting, running, desired, oldest_s: oldest} = Object.fromEntries(Object.entries(hours.lines).map(([name, line]) => [name, line[k]]));
    const mark = marks[near(at)], change = mark ? `; decision ${count(mark.current)} → ${count(mark.target)}: Enter opens it` : '';
    return `${exact(at)}: backlog ${plainly(waiting)}, oldest message ${duration(oldest)}; ${plainly(running)} of ${plainly(desired)} tasks running${change}`;
  }

  // As fine as the shown time permits: about 300 points.
  const stepOf = ([min, max]) => max - min <= 1.2 * HOUR ? 0 : max - min <= 7 * HOUR ? 60 : 300;
  let linked = null;
  linked = linkedCharts({
    ends,
    label: (at, apart) => apart < 60 ? clock(at) : minute(at),
    around: (at, wide, [, end]) => [(at ?? end) - wide / 2, (at ?? end) + wide / 2],
    least: 30,
    keys: {
      ArrowLeft: event => event.shiftKey ? leap(-1) : step(-1),
      ArrowRight: event => event.shiftKey ? leap(1) : step(1),
      Enter: () => pointed != null && open(near(pointed)),
      Escape: () => linked.point(null),
    },
    when: clock,
    onPoint: read,
    onZoom: () => { if (linked && hours.merge(stepOf(linked.shown()))) linked.update(); },
    onMark: open,
  });
  marks = changes();
  hours.merge(stepOf(ends()));
  fill($('charts'), ...CHARTS.map(figure));
  linked.show(CHARTS.map(plot));
  return {
    // The marks must be those of the present decisions before the charts are drawn again.
    update() {
      const shown = marks[chosen];
      marks = changes();
      chosen = shown ? marks.indexOf(shown) : null;
      hours.merge(stepOf(linked.shown()));
      for (const [node, text] of limits) put(node, text());
      linked.update();
      if (pointed == null) read(null);
    },
    whole: () => linked.zoom(null),
  };
}
