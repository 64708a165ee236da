// Three charts with one time axis: a selected time shows the values in all of them.
import {$, el, fill, put} from './dom.js';
import {clock, duration, exact, plainly} from './words.js';

const {uPlot} = window;
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const CHARTS = [
  {title: 'Backlog', unit: 'messages', lines: [['waiting', 'visible', 'blue', 1.75], ['in_flight', 'in flight', 'violet', 1.25]], filled: 'blue-soft', height: 170},
  {title: 'Tasks', unit: '', lines: [['demand', 'demand', 'area', 1], ['desired', 'desired', 'orange', 1.5], ['running', 'running', 'blue', 1.75]], stepped: true, height: 190},
  {title: 'Oldest message', unit: 'age and latency target', lines: [['oldest_s', 'oldest', 'violet', 1.5]], words: duration, target: true, height: 150},
];

export function charts(hours, latency) {
  const drawn = [], keys = new Map();
  let pointed = null, zoomed = null;

  function build() {
    for (const one of drawn.splice(0)) one.plot.destroy();
    fill($('charts'), ...CHARTS.map(figure));
    update();
  }

  function figure(chart) {
    const list = el('ul', {class: 'keys'}, ...chart.lines.map(([name, label, style]) => {
      keys.set(name, el('b'));
      return el('li', {}, el('i', {class: style, 'aria-hidden': 'true'}), label, keys.get(name));
    }), chart.target && el('li', {}, el('i', {class: 'red', 'aria-hidden': 'true'}), `latency target ${duration(latency())}`));
    const place = el('div', {class: 'plot', tabindex: '0', role: 'application', 'aria-label': `${chart.title} over the last six hours; use the arrow keys to read values`, 'aria-describedby': 'read'});
    const node = el('figure', {class: 'chart'}, el('figcaption', {}, el('h3', {}, chart.title, ' ', el('small', {}, chart.unit)), list), place);
    queueMicrotask(() => { drawn.push({chart, plot: plot(chart, place)}); });
    place.addEventListener('keydown', pressed);
    place.addEventListener('blur', () => point(null));
    return node;
  }

  function plot(chart, place) {
    const axis = {stroke: colour('soft'), font: '12px system-ui, sans-serif', grid: {stroke: colour('faint'), width: 1}, ticks: {show: false}};
    const paths = chart.stepped ? uPlot.paths.stepped({align: 1}) : uPlot.paths.linear();
    const series = chart.lines.map(([, label, style, width], k) => ({
      label, width, paths, points: {show: false}, spanGaps: false,
      stroke: colour(style === 'area' ? 'grey' : style), fill: style === 'area' ? colour('grey-soft') : k === 0 && chart.filled ? colour(chart.filled) : undefined,
    }));
    const most = chart.target ? max => Math.max(max ?? 0, latency() * 1.15) : max => max ?? 0;
    const made = new uPlot({
      width: place.clientWidth || 600, height: chart.height, legend: {show: false}, padding: [8, 14, 0, 0],
      cursor: {sync: {key: 'hours', setSeries: false, scales: ['x', null]}, points: {show: false}, y: false, drag: {x: true, y: false, setScale: false}},
      scales: {x: {time: true, range: (u, min, max) => zoomed ?? [min, max]}, y: {range: (u, min, max) => [0, most(max) * 1.06 || 1]}},
      axes: [{...axis, size: 26, gap: 6, space: 70, values: times}, {...axis, size: 58, gap: 6, space: 34, values: (u, at) => at.map(chart.words ?? plainly)}],
      series: [{}, ...series],
      hooks: {setCursor: [u => pointer(u)], setSelect: [select], draw: chart.target ? [limit] : []},
    }, hours.table(...chart.lines.map(([name]) => name)), place);
    made.over.addEventListener('dblclick', () => zoom(null));
    made.root.querySelector('canvas').setAttribute('aria-hidden', 'true');
    return made;
  }

  const times = (u, at, axis, space, step) => at.map(one => clock(one).slice(0, step < 60 ? 8 : 5));

  function limit(u) {
    const y = Math.round(u.valToPos(latency(), 'y', true)), {left, width, top} = u.bbox, {ctx} = u;
    ctx.save();
    ctx.fillStyle = colour('red-soft');
    if (y > top) ctx.fillRect(left, top, width, y - top);
    ctx.strokeStyle = colour('red');
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(left, y);
    ctx.lineTo(left + width, y);
    ctx.stroke();
    ctx.restore();
  }

  function select(u) {
    const {left, width} = u.select;
    if (width > 4) zoom([u.posToVal(left, 'x'), u.posToVal(left + width, 'x')]);
    if (width) u.setSelect({left: 0, width: 0, top: 0, height: 0}, false);
  }
  function zoom(range) {
    const {at} = hours, ends = [at[0], at[at.length - 1]];
    zoomed = range && [Math.max(ends[0], range[0]), Math.min(ends[1], range[1])];
    if (zoomed && zoomed[1] - zoomed[0] < 120) zoomed = null;
    const [min, max] = zoomed ?? ends;
    for (const {plot} of drawn) plot.setScale('x', {min, max});
  }

  let moving = false;
  function pointer(u) {
    if (moving) return;
    const {left} = u.cursor;
    read(left == null || left < 0 ? null : u.posToVal(left, 'x'));
  }
  function point(at) {
    moving = true;
    for (const {plot} of drawn) plot.setCursor(at == null ? {left: -10, top: -10} : {left: plot.valToPos(at, 'x'), top: 10}, true);
    moving = false;
    read(at);
  }
  function pressed(event) {
    const {at} = hours, last = at.length - 1, here = pointed == null ? last : hours.until(pointed), [min, max] = zoomed ?? [at[0], at[last]];
    const wide = max - min, middle = pointed ?? max, leap = event.shiftKey ? 20 : 1;
    if (event.key === 'ArrowLeft') point(at[Math.max(0, here - leap)]);
    else if (event.key === 'ArrowRight') point(at[Math.min(last, here + leap)]);
    else if (event.key === '+' || event.key === '=') zoom([middle - wide / 4, middle + wide / 4]);
    else if (event.key === '-' || event.key === '−') zoom(wide * 2 >= at[last] - at[0] ? null : [middle - wide, middle + wide]);
    else if (event.key === '0') zoom(null);
    else if (event.key === 'Escape') point(null);
    else return;
    event.preventDefault();
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

  function update() {
    for (const {chart, plot} of drawn) plot.setData(hours.table(...chart.lines.map(([name]) => name)), true);
    if (pointed == null) read(null);
  }
  function resize() {
    for (const {plot} of drawn) {
      const {clientWidth} = plot.root.parentNode;
      if (clientWidth && clientWidth !== plot.width) plot.setSize({width: clientWidth, height: plot.height});
    }
  }
  new ResizeObserver(resize).observe($('charts'));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', build);
  build();
  return {update};
}
