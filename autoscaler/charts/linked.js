// Charts with one time axis: cursor, zoom, keys and touch act on all of them. uPlot draws them.
// The daemon's page loads this file as a module. The simulator's report embeds it, without `import` and `export`.
import {lastUntil} from './figures.js';

export const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const APART = 7, REACH = 12, TOUCH_REACH = 24; // pixels between two marks; from a mark to the pointer; to a finger

// `ends()` returns the first and the last instant, in seconds. `label(at, step)` returns a text of the time axis.
// `steps`: the distances between its labels; without them instants are times of day.
// `around(at, wide, shown)` returns the range of `wide` seconds that a key zooms to; `at` is null if no instant is pointed at.
// `least`: a zoom to fewer seconds shows everything. `keys`: what further keys do. `onPoint(at)`, `onZoom(isZoomed)`: callbacks.
// `when(at)` returns the instant as the title of a tooltip. `onMark(k)`: a mark was clicked.
export function linkedCharts({ends, label, steps, around, least = 0, keys, when, onPoint, onZoom = () => {}, onMark}) {
  const straight = uPlot.paths.linear(), stepped = uPlot.paths.stepped({align: 1});
  // A value between two unknown ones has no line, so it is drawn as a point.
  const alone = {show: false, size: 4, filter: (u, at) => u.data[at].flatMap((value, i, all) => value != null && all[i - 1] == null && all[i + 1] == null ? [i] : [])};
  let drawn = [], pointed = null, zoomed = null, moving = false, active = null;

  // Replaces all charts. A chart has `place`, `height`, `table()`, `words(value)` and `series`, and optionally
  // `target()`: the latency target; `rows(at)`: [style, name, text] of the tooltip; `lines()`: [value, text] of horizontal lines;
  // `marks()`: {at, value(k), shown}, dots at instants; the one with the index `shown` is larger; `over(u)`: [instant, text] above the scale;
  // and these options of uPlot: `bands`, `hooks`, `axis` and `y`. Colours are names of CSS properties.
  function show(charts) {
    for (const {plot} of drawn) plot.destroy();
    watched.disconnect();
    zoomed = limited(zoomed);
    active = null;
    drawn = charts.map(chart => plotted(chart));
    onZoom(zoomed != null);
    read(null);
  }

  function plotted(chart) {
    const {place, height, table, words, series, target, bands = [], hooks = {}, axis, y, lines, marks, over} = chart, one = {chart};
    const style = {stroke: () => colour('soft'), font: '12px system-ui, sans-serif', gap: 6, grid: {stroke: () => colour('faint'), width: 1}, ticks: {show: false}};
    const draw = [target && (u => limit(u, target())), lines && (u => lines().forEach(line => level(u, ...line))), ...(hooks.draw ?? []),
      over && (u => beyond(u, over(u))), marks && (u => dots(u, marks()))];
    const plot = one.plot = new uPlot({
      width: place.clientWidth || 600, height, legend: {show: false}, padding: [8, 30, 0, 0], bands,
      cursor: {sync: {key: 'time', setSeries: false, scales: ['x', null]}, points: {show: false}, y: false, drag: {x: true, y: false, setScale: false}},
      scales: {x: {time: !steps, range: inView}, y: {range: (u, min, max) => [0, max * 1.06 || 1], ...y}},
      axes: [{...style, size: 26, space: 64, incrs: steps, values: (u, at, k, space, step) => at.map(one => label(one, step))},
        {...style, size: 58, space: 34, values: (u, at) => at.map(words), ...axis}],
      series: [{}, ...series.map(({stroke, fill, isStepped, ...more}) => (
        {stroke: () => colour(stroke), fill: fill && (() => colour(fill)), paths: isStepped ? stepped : straight, points: alone, ...more}))],
      hooks: {...hooks, setCursor: [u => pointer(u, one)], setSelect: [select], draw: draw.filter(Boolean)},
    }, table(), place);
    const box = plot.over;
    one.tip = document.createElement('div');
    one.tip.className = 'tip';
    one.tip.hidden = true;
    one.tip.setAttribute('aria-hidden', 'true');
    box.parentNode.append(one.tip);
    box.addEventListener('dblclick', () => zoom(null));
    box.addEventListener('mouseenter', () => { active = one; });
    box.addEventListener('mousemove', event => { box.style.cursor = marked(one, event, REACH) == null ? '' : 'pointer'; });
    box.addEventListener('click', event => choose(one, event, REACH));
    box.addEventListener('touchstart', event => touch(one, event), {passive: true});
    box.addEventListener('touchmove', event => touch(one, event), {passive: true});
    place.onfocus = () => { active = one; };
    place.onkeydown = pressed;
    watched.observe(place);
    return one;
  }

  // A finger points as the mouse does. Where it does not move, it chooses a mark.
  function touch(one, {type, touches: [{clientX, clientY}]}) {
    const {left, top} = one.plot.over.getBoundingClientRect();
    active = one;
    one.plot.setCursor({left: clientX - left, top: clientY - top}, true, true);
    if (type === 'touchstart') one.touched = {clientX, clientY};
  }

  // The index of the mark nearest to the pointer.
  function marked({plot: {over, valToPos, scales}, chart: {marks}}, {clientX, clientY}, reach) {
    if (!marks || !onMark) return null;
    const {at, value} = marks(), {left, top} = over.getBoundingClientRect();
    let nearest = null, least = reach;
    for (let k = lastUntil(at, scales.x.min - 1e-9) + 1; k < at.length && at[k] <= scales.x.max; k++) {
      const apart = Math.hypot(valToPos(at[k], 'x') - clientX + left, Math.max(0, valToPos(value(k), 'y')) - clientY + top);
      if (apart <= least) [nearest, least] = [k, apart];
    }
    return nearest;
  }
  function choose(one, event, reach) {
    const finger = one.touched, mark = finger ? marked(one, finger, TOUCH_REACH) : marked(one, event, reach);
    one.touched = null;
    if (mark != null) onMark(mark);
  }

  function line({ctx, bbox: {left, width}}, y, dash, stroke, thick) {
    ctx.strokeStyle = colour(stroke);
    ctx.lineWidth = thick * devicePixelRatio;
    ctx.setLineDash(dash.map(one => one * devicePixelRatio));
    ctx.beginPath();
    ctx.moveTo(left, y);
    ctx.lineTo(left + width, y);
    ctx.stroke();
  }
  function write({ctx}, text, x, y, align) {
    ctx.font = `${11.5 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = align;
    ctx.lineWidth = 3 * devicePixelRatio;
    ctx.strokeStyle = colour('page');
    ctx.setLineDash([]);
    ctx.lineJoin = 'round';
    ctx.strokeText(text, x, y);
    ctx.fillStyle = colour('soft');
    ctx.fillText(text, x, y);
  }

  // A line at the latency target, and an area above it.
  function limit(u, latency) {
    const {ctx, bbox: {left, width, top}} = u, y = Math.round(u.valToPos(latency, 'y', true));
    ctx.save();
    ctx.fillStyle = colour('red-soft');
    if (y > top) ctx.fillRect(left, top, width, y - top);
    line(u, y, [6, 4], 'red', 1.5);
    ctx.restore();
  }

  function level(u, value, text) {
    const {ctx, bbox: {left, top}} = u, y = Math.round(u.valToPos(value, 'y', true));
    if (y < top) return;
    ctx.save();
    line(u, y, [2, 4], 'grey', 1.25);
    // below the line at the top, where a value above the scale can be written
    write(u, text, left + 6 * devicePixelRatio, y + (y - top < 26 * devicePixelRatio ? 13 : -4) * devicePixelRatio, 'left');
    ctx.restore();
  }

  // A value above the scale, written where it is.
  function beyond(u, found) {
    if (!found) return;
    const {ctx, bbox: {left, top, width}} = u, [at, text] = found, x = u.valToPos(at, 'x', true), ratio = devicePixelRatio;
    ctx.save();
    write(u, `▲ ${text}`, x > left + width - 110 * ratio ? Math.min(x, left + width) : Math.max(x, left), top + 11 * ratio, x > left + width - 110 * ratio ? 'right' : 'left');
    ctx.restore();
  }

  // A mark that would cover the last one is not drawn. It can still be chosen with the keys.
  function dots(u, {at, value, shown, stroke = 'orange'}) {
    const {ctx} = u, {min, max} = u.scales.x, from = lastUntil(at, min - 1e-9) + 1, to = lastUntil(at, max) + 1;
    const dot = (k, radius, fill) => {
      ctx.beginPath();
      ctx.arc(u.valToPos(at[k], 'x', true), Math.max(u.bbox.top, u.valToPos(value(k), 'y', true)), radius * devicePixelRatio, 0, 7);
      ctx.fillStyle = colour(fill);
      ctx.fill();
    };
    ctx.save();
    let last = -Infinity;
    for (let k = from; k < to; k++) {
      const x = u.valToPos(at[k], 'x');
      if (x - last < APART) continue;
      dot(k, 4, 'page');
      dot(k, 3, stroke);
      last = x;
    }
    if (shown != null && shown >= from && shown < to) { dot(shown, 6.5, 'page'); dot(shown, 5, stroke); }
    ctx.restore();
  }

  const shown = () => zoomed ?? ends();
  function inView(u, min, max) {
    const [first, last] = shown();
    return first < last ? [first, last] : [min, max];
  }
  function limited(range) {
    if (!range) return null;
    const [first, last] = ends(), min = Math.max(first, range[0]), max = Math.min(last, range[1]), wide = max - min;
    return wide > 0 && wide >= least && wide < last - first ? [min, max] : null;
  }
  function zoom(range) {
    zoomed = limited(range);
    const [min, max] = shown();
    for (const {plot} of drawn) plot.setScale('x', {min, max});
    onZoom(zoomed != null);
  }
  function select(u) {
    const {left, width} = u.select;
    if (width > 4) zoom([u.posToVal(left, 'x'), u.posToVal(left + width, 'x')]);
    if (width) u.setSelect({left: 0, width: 0, top: 0, height: 0}, false);
  }
  function times(factor) {
    const [min, max] = shown(), [first, last] = ends(), wide = (max - min) * factor;
    zoom(wide < last - first ? around(pointed, wide, [min, max]) : null);
  }

  const closer = () => times(0.5), wider = () => times(2);
  const actions = {'+': closer, '=': closer, '-': wider, '−': wider, 0: () => zoom(null), ...keys};
  function pressed(event) {
    const action = event.ctrlKey || event.metaKey || event.altKey ? null : actions[event.key];
    if (!action) return;
    action(event);
    event.preventDefault();
  }

  function read(at) {
    pointed = at;
    for (const one of drawn) describe(one, one === active ? at : null);
    onPoint(at);
  }
  function pointer(u, one) {
    const {cursor: {left}} = u;
    if (!moving && (active == null || one === active)) read(left == null || left < 0 ? null : u.posToVal(left, 'x'));
  }
  function point(at) {
    moving = true;
    for (const {plot} of drawn) plot.setCursor(at == null ? {left: -10, top: -10} : {left: plot.valToPos(at, 'x'), top: 10}, true);
    moving = false;
    read(at);
  }

  // The tooltip: the time and the values, next to the cursor.
  function describe({chart: {rows}, plot, tip}, at) {
    const found = at == null || !rows ? [] : rows(at);
    tip.hidden = !found.length;
    if (tip.hidden) return;
    const title = document.createElement('b');
    title.textContent = when(at);
    tip.replaceChildren(title, ...found.map(([style, name, text]) => {
      const row = document.createElement('span'), swatch = document.createElement('i'), value = document.createElement('b');
      swatch.className = style;
      value.textContent = text;
      row.append(swatch, name, value);
      return row;
    }));
    const {over} = plot, x = plot.valToPos(at, 'x'), isRight = x > over.clientWidth / 2;
    tip.style.left = `${over.offsetLeft + x + (isRight ? -12 - tip.offsetWidth : 12)}px`;
    tip.style.top = `${over.offsetTop + 6}px`;
  }

  const watched = new ResizeObserver(() => {
    for (const {chart: {place: {clientWidth}}, plot} of drawn) {
      if (clientWidth && clientWidth !== plot.width) plot.setSize({width: clientWidth, height: plot.height});
    }
  });
  const redraw = ({plot}) => plot.redraw(false, false);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => drawn.forEach(redraw));
  return {
    show, zoom, shown, point, redraw: index => redraw(drawn[index]),
    update() { for (const {chart, plot} of drawn) plot.setData(chart.table(), true); },
  };
}
