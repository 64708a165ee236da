// Three charts with one time axis: a selected time shows the values in all of them.
import {$, el, fill, put} from './dom.js';
import {linkedCharts} from './linked.js';
import {clock, duration, exact, plainly} from './words.js';

const CHARTS = [
  {title: 'Backlog', unit: 'messages', lines: [['waiting', 'visible', 'blue', 1.75], ['in_flight', 'in flight', 'violet', 1.25]], filled: 'blue-soft', height: 170},
  {title: 'Tasks', unit: '', lines: [['demand', 'demand', 'area', 1], ['desired', 'desired', 'orange', 1.5], ['running', 'running', 'blue', 1.75]], isStepped: true, height: 190},
  {title: 'Oldest message', unit: 'age and latency target', lines: [['oldest_s', 'oldest', 'violet', 1.5]], words: duration, hasTarget: true, height: 150},
];

export function charts(hours, latency) {
  const keys = new Map();
  let pointed = null;

  function figure(chart) {
    const list = el('ul', {class: 'keys'}, ...chart.lines.map(([name, label, style]) => {
      keys.set(name, el('b'));
      return el('li', {}, el('i', {class: style, 'aria-hidden': 'true'}), label, keys.get(name));
    }), chart.hasTarget && el('li', {}, el('i', {class: 'red', 'aria-hidden': 'true'}), `latency target ${duration(latency())}`));
    const place = el('div', {class: 'plot', tabindex: '0', role: 'application', 'aria-label': `${chart.title} over the last six hours; use the arrow keys to read values`, 'aria-describedby': 'read'});
    place.addEventListener('blur', () => linked.point(null));
    return el('figure', {class: 'chart'}, el('figcaption', {}, el('h3', {}, chart.title, ' ', el('small', {}, chart.unit)), list), place);
  }

  function plot({lines, filled, isStepped, hasTarget, height, words = plainly}, index) {
    return {
      place: $('charts').children[index].lastChild, height, words,
      table: () => hours.table(...lines.map(([name]) => name)),
      series: lines.map(([, label, style, width], k) => style === 'area'
        ? {label, width, isStepped, stroke: 'grey', fill: 'grey-soft'}
        : {label, width, isStepped, stroke: style, fill: k === 0 ? filled : undefined}),
      ...(hasTarget && {target: latency, y: {range: (u, min, max) => [0, Math.max(max, latency() * 1.15) * 1.06 || 1]}}),
      hooks: {init: [u => u.root.querySelector('canvas').setAttribute('aria-hidden', 'true')]},
    };
  }

  function step(by) {
    const last = hours.at.length - 1, here = pointed == null ? last : hours.until(pointed);
    linked.point(hours.at[Math.max(0, Math.min(last, here + by))]);
  }
  function read(at) {
    pointed = at;
    const k = at == null ? hours.at.length - 1 : hours.until(at);
    for (const {lines, words} of CHARTS) for (const [name] of lines) put(keys.get(name), (words ?? plainly)(hours.lines[name][k]));
    put($('read'), at == null || k < 0 ? '' : summary(k));
  }
  function summary(k) {
    const {waiting, running, desired, oldest_s: oldest} = Object.fromEntries(Object.entries(hours.lines).map(([name, line]) => [name, line[k]]));
    return `${exact(hours.at[k])}: backlog ${plainly(waiting)}, oldest message ${duration(oldest)}; ${plainly(running)} of ${plainly(desired)} tasks running`;
  }

  const linked = linkedCharts({
    ends: () => [hours.at[0], hours.at[hours.at.length - 1]],
    label: (at, apart) => clock(at).slice(0, apart < 60 ? 8 : 5),
    around: (at, wide, [, end]) => [(at ?? end) - wide / 2, (at ?? end) + wide / 2],
    least: 120,
    keys: {
      ArrowLeft: event => step(event.shiftKey ? -20 : -1),
      ArrowRight: event => step(event.shiftKey ? 20 : 1),
      Escape: () => linked.point(null),
    },
    onPoint: read,
  });
  fill($('charts'), ...CHARTS.map(figure));
  linked.show(CHARTS.map(plot));
  return {
    update() {
      linked.update();
      if (pointed == null) read(null);
    },
  };
}
