// Four charts with one time axis. The pointer in one chart shows the values of all.
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// Joins series with different instants into one table, as uPlot requires.
const joined = (...lines) => lines.length > 1 ? uPlot.join(lines) : lines[0];

function timeCharts(data, onPoint) {
  let charts = [], row = null, whole = 0, pointed = null;
  const steps = uPlot.paths.stepped({align: 1}), straight = uPlot.paths.linear();
  // A bucket between two empty ones has no line, so it is drawn as a point.
  const dots = {show: false, size: 3, filter: (made, at) => made.data[at].flatMap((value, i, all) => value != null && all[i - 1] == null && all[i + 1] == null ? [i] : [])};
  const step = (name, stroke, more) => ({label: name, stroke: colour(stroke), width: 1.5, points: {show: false}, paths: steps, ...more});
  const line = (name, stroke, more) => ({...step(name, stroke, more), paths: straight});

  function chart(id, table, series, more = {}) {
    const figure = document.getElementById(id), plot = figure.querySelector('.plot');
    const axis = {stroke: colour('soft'), font: '12px system-ui, sans-serif', grid: {stroke: colour('faint'), width: 1}, ticks: {show: false}};
    const options = {
      width: plot.clientWidth, height: more.height ?? (innerWidth < 640 ? 170 : 200), pxAlign: 1, legend: {show: false}, padding: [8, 20, 0, 0],
      cursor: {sync: {key: 'run', setSeries: false, scales: ['x', null]}, points: {show: false}, y: false, drag: {x: true, y: false, setScale: false}},
      scales: {x: {time: false, range: (u, min, max) => [min, max]}, y: {range: (u, min, max) => [0, max * 1.06 || 1], ...more.y}},
      axes: [{...axis, size: 26, gap: 6, incrs: STEPS, space: 64, values: (u, at, k, space, incr) => at.map(one => timeLabel(one, incr, whole))},
        {...axis, size: 54, gap: 6, space: 34, values: (u, at) => at.map(plainly), ...more.axis}],
      series: [{}, ...series], bands: more.bands ?? [],
      hooks: {setCursor: [point], setSelect: [select], draw: more.draw ? [more.draw] : []},
    };
    const made = new uPlot(options, table, plot);
    made.over.addEventListener('dblclick', () => zoom(0, whole));
    label(plot, figure, made);
    charts.push(made);
  }

  function label(plot, figure, made) {
    const canvas = plot.querySelector('canvas');
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', `${figure.querySelector('h3').textContent} over time`);
    plot.onkeydown = event => {
      const {min, max} = made.scales.x, wide = max - min, centre = pointed ?? (min + max) / 2;
      const zooms = {'+': 0.5, '=': 0.5, '-': 2, '−': 2};
      if (zooms[event.key]) closer(centre, wide * zooms[event.key]);
      else if (event.key === '0') zoom(0, whole);
      else if (event.key === 'ArrowLeft') leap(-1);
      else if (event.key === 'ArrowRight') leap(1);
      else return;
      event.preventDefault();
    };
    plot.ontouchstart = plot.ontouchmove = event => {
      const box = made.over.getBoundingClientRect();
      made.setCursor({left: event.touches[0].clientX - box.left, top: 10}, true, true);
    };
  }

  function select(made) {
    const {left, width} = made.select;
    if (width > 4) zoom(made.posToVal(left, 'x'), made.posToVal(left + width, 'x'));
    if (width) made.setSelect({left: 0, width: 0, top: 0, height: 0}, false);
  }
  function closer(centre, wide) {
    const min = Math.max(0, Math.min(centre - wide / 2, whole - wide));
    zoom(min, Math.min(whole, min + Math.max(wide, 30)));
  }
  function zoom(min, max) {
    charts.forEach(made => made.setScale('x', {min, max}));
    document.getElementById('whole').hidden = min <= 0 && max >= whole;
  }

  function point(made) {
    const {left} = made.cursor;
    if (moving) return;
    pointed = left == null || left < 0 ? null : made.posToVal(left, 'x');
    read();
  }
  // Moves the cursor of every chart to an instant, and the instant into view.
  let moving = false;
  function go(at) {
    const {min, max} = charts[0].scales.x;
    if (at < min || at > max) closer(at, max - min);
    requestAnimationFrame(() => {
      moving = true;
      charts.forEach(made => made.setCursor({left: made.valToPos(at, 'x'), top: 10}, true));
      moving = false;
      pointed = at;
      read();
    });
  }
  function leap(by) {
    const [instants] = row.reasons;
    if (!instants.length) return;
    const here = pointed == null ? (by > 0 ? -1 : instants.length) : lastUntil(instants, pointed + 0.05);
    const exact = here >= 0 && here < instants.length && Math.abs(instants[here] - pointed) < 0.06;
    go(instants[Math.max(0, Math.min(instants.length - 1, by > 0 ? here + 1 : exact || pointed == null ? here - 1 : here))]);
  }

  const value = ([at, values], instant) => values[lastUntil(at, instant)];
  const between = ([at, values], instant) => {
    const k = lastUntil(at, instant);
    if (k < 0 || k >= at.length - 1) return values[Math.max(k, 0)];
    return values[k] + (values[k + 1] - values[k]) * (instant - at[k]) / (at[k + 1] - at[k]);
  };
  function read() {
    if (!row) return;
    const at = pointed, has = at != null, reason = has ? lastUntil(row.reasons[0], at + 0.05) : -1;
    const [starts, p50, p95, longest] = row.waits, bucket = has && at < data.length_s ? lastUntil(starts, at) : -1;
    onPoint({
      at, reason, clock: has ? clock(at, charts[0].scales.x.max - charts[0].scales.x.min, whole) : null,
      needed: has && at < data.length_s ? value(data.needed, at) : null, arrivals: has && at < data.length_s ? value(data.arrivals, at) : null,
      desired: has ? value(row.desired, at) : null, running: has ? value(row.running, at) : null,
      p50: p50[bucket], p95: p95[bucket], longest: longest[bucket],
      billed: has ? between(row.billed, at) : null, limit: has && data.limit ? between(data.limit, at) : null, work: has ? between(data.work, at) : null,
    });
    if (reason !== shown) { shown = reason; charts[0].redraw(false, false); }
  }
  let shown = -1;

  // Marks of the decisions. All are drawn only if they do not overlap.
  function marks(u) {
    const [instants] = row.reasons, {min, max} = u.scales.x, from = lastUntil(instants, min - 1e-9) + 1, to = lastUntil(instants, max) + 1;
    const dot = (k, radius, fill) => {
      u.ctx.beginPath();
      u.ctx.arc(u.valToPos(instants[k], 'x', true), u.valToPos(value(row.desired, instants[k] + 0.05) ?? 0, 'y', true), radius * devicePixelRatio, 0, 7);
      u.ctx.fillStyle = fill;
      u.ctx.fill();
    };
    u.ctx.save();
    if ((to - from) * 12 < u.over.clientWidth) for (let k = from; k < to; k++) dot(k, 2.5, colour('orange'));
    if (shown >= from && shown < to) { dot(shown, 6, colour('page')); dot(shown, 4.5, colour('orange')); }
    u.ctx.restore();
  }
  // The latency target; waits above it are late.
  function target(u) {
    const y = Math.round(u.valToPos(data.latency_s, 'y', true)), {left, width, top} = u.bbox, {ctx} = u;
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

  function waitScale() {
    const values = (u, at) => at.map(duration), most = Math.max(data.latency_s, ...row.waits[3].filter(one => one != null));
    if (most < data.latency_s * 8) return {axis: {incrs: STEPS, values}, y: {range: () => [0, Math.max(most, data.latency_s * 1.2) * 1.06]}};
    const all = [0, 1, 10, 60, 600, HOUR, 6 * HOUR, DAY, 7 * DAY].filter(one => one <= most * 1.2);
    return {axis: {splits: () => all, filter: (u, at) => at, values}, y: {distr: 4, asinh: 1, range: () => [0, most * 1.4]}};
  }

  function draw(next) {
    const {min, max} = charts.length ? charts[0].scales.x : {};
    const old = whole;
    charts.forEach(made => made.destroy());
    charts = [];
    row = next;
    pointed = null;
    shown = -1;
    whole = Math.max(data.length_s, row.ended_s);
    const red = colour('red'), none = {width: 0, stroke: 'transparent'};
    chart('c-tasks', joined(data.needed, row.desired, row.running), [
      step('needed', 'grey', {fill: colour('grey-soft'), width: 1}), step('desired', 'orange', {width: 1.25}), step('running', 'blue', {width: 1.75}),
    ], {height: innerWidth < 640 ? 220 : 270, draw: marks});
    const [at, p50, p95, longest] = row.waits, ends = [...at, data.length_s], last = values => [...values, values[values.length - 1]];
    chart('c-waits', [ends, last(longest), last(p95), last(p50)], [
      step('longest', 'violet', {width: 0.75, points: dots}), step('p95', 'violet', {width: 1.75, points: dots}), step('p50', 'violet', none),
    ], {...waitScale(), bands: [{series: [2, 3], fill: colour('violet-soft')}], draw: target});
    chart('c-arrivals', data.arrivals, [step('arrivals', 'grey', {fill: colour('grey-soft'), width: 1})], {height: innerWidth < 640 ? 120 : 140});
    chart('c-cost', data.limit ? joined(data.work, row.billed, data.limit) : joined(data.work, row.billed), [
      line('work', 'grey', {width: 1.25}), line('billed', 'blue', {width: 1.75}), ...(data.limit ? [line('clairvoyant', 'green', {width: 1.25})] : []),
    ]);
    const kept = min != null && max - min < old * 0.999;
    zoom(kept ? Math.min(min, whole) : 0, kept ? Math.min(max, whole) : whole);
    read();
  }
  function resize() {
    for (const made of charts) {
      const {clientWidth} = made.root.parentNode;
      if (clientWidth && clientWidth !== made.width) made.setSize({width: clientWidth, height: made.height});
    }
  }
  new ResizeObserver(resize).observe(document.querySelector('main'));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => row && draw(row));
  return {draw, leap, whole: () => zoom(0, whole)};
}
