// Charts with one time axis: cursor, zoom and keys act on all of them. uPlot draws them.
// The daemon's page loads this file as a module. The simulator's report embeds it, without the word `export`.
export const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// `ends()` returns the first and the last instant, in seconds. `label(at, step)` returns a text of the time axis.
// `steps`: the distances between its labels; without them instants are times of day.
// `around(at, wide, shown)` returns the range of `wide` seconds that a key zooms to; `at` is null if no instant is pointed at.
// `least`: a zoom to fewer seconds shows everything. `keys`: what further keys do. `onPoint(at)`, `onZoom(isZoomed)`: callbacks.
export function linkedCharts({ends, label, steps, around, least = 0, keys, onPoint, onZoom = () => {}}) {
  const straight = uPlot.paths.linear(), stepped = uPlot.paths.stepped({align: 1});
  let drawn = [], pointed = null, zoomed = null, moving = false;

  // Replaces all charts. A chart has `place`, `height`, `table()`, `words(value)` and `series`; optional are `target()`, the latency
  // target, and these options of uPlot: `bands`, `hooks`, `axis` and `y`. Colours are names of CSS properties.
  function show(charts) {
    for (const {plot} of drawn) plot.destroy();
    watched.disconnect();
    zoomed = limited(zoomed);
    drawn = charts.map(chart => ({chart, plot: plotted(chart)}));
    onZoom(zoomed != null);
    read(null);
  }

  function plotted({place, height, table, words, series, target, bands = [], hooks = {}, axis, y}) {
    const style = {stroke: () => colour('soft'), font: '12px system-ui, sans-serif', gap: 6, grid: {stroke: () => colour('faint'), width: 1}, ticks: {show: false}};
    const plot = new uPlot({
      width: place.clientWidth || 600, height, legend: {show: false}, padding: [8, 20, 0, 0], bands,
      cursor: {sync: {key: 'time', setSeries: false, scales: ['x', null]}, points: {show: false}, y: false, drag: {x: true, y: false, setScale: false}},
      scales: {x: {time: !steps, range: inView}, y: {range: (u, min, max) => [0, max * 1.06 || 1], ...y}},
      axes: [{...style, size: 26, space: 64, incrs: steps, values: (u, at, k, space, step) => at.map(one => label(one, step))},
        {...style, size: 58, space: 34, values: (u, at) => at.map(words), ...axis}],
      series: [{}, ...series.map(({stroke, fill, isStepped, ...more}) => (
        {stroke: () => colour(stroke), fill: fill && (() => colour(fill)), paths: isStepped ? stepped : straight, points: {show: false}, ...more}))],
      hooks: {...hooks, setCursor: [pointer], setSelect: [select], draw: [...(target ? [u => limit(u, target())] : []), ...(hooks.draw ?? [])]},
    }, table(), place);
    plot.over.addEventListener('dblclick', () => zoom(null));
    place.onkeydown = pressed;
    watched.observe(place);
    return plot;
  }

  // A line at the latency target, and an area above it.
  function limit({ctx, bbox: {left, width, top}, valToPos}, latency) {
    const y = Math.round(valToPos(latency, 'y', true));
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
    const action = actions[event.key];
    if (!action) return;
    action(event);
    event.preventDefault();
  }

  function read(at) {
    pointed = at;
    onPoint(at);
  }
  function pointer({cursor: {left}, posToVal}) {
    if (!moving) read(left == null || left < 0 ? null : posToVal(left, 'x'));
  }
  function point(at) {
    moving = true;
    for (const {plot} of drawn) plot.setCursor(at == null ? {left: -10, top: -10} : {left: plot.valToPos(at, 'x'), top: 10}, true);
    moving = false;
    read(at);
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
