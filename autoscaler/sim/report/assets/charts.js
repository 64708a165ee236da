// Four charts with one time axis. The pointer in one chart shows the values of all.
// Joins series with different instants into one table, as uPlot requires.
const joined = (...lines) => lines.length > 1 ? uPlot.join(lines) : lines[0];

function timeCharts(data, onPoint) {
  let row = null, whole = 0, pointed = null, shown = -1;
  const line = (label, stroke, width, more) => ({label, stroke, width, ...more});
  const step = (label, stroke, width, more) => line(label, stroke, width, {isStepped: true, ...more});

  function chart(id, table, series, {hooks, ...more} = {}) {
    const figure = document.getElementById(id), place = figure.querySelector('.plot');
    const init = [made => named(made, `${figure.querySelector('h3').textContent} over time`)];
    return {place, table: () => table, series, height: innerWidth < 640 ? 170 : 200, words: plainly, hooks: {init, ...hooks}, ...more};
  }
  function named(made, label) {
    const canvas = made.root.querySelector('canvas');
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', label);
  }

  const linked = linkedCharts({
    ends: () => [0, whole],
    label: (at, apart) => timeLabel(at, apart, whole),
    steps: STEPS,
    around,
    keys: {ArrowLeft: () => leap(-1), ArrowRight: () => leap(1)},
    when: at => clock(at, linked.shown()[1] - linked.shown()[0], whole),
    onPoint: read,
    onMark: k => go(row.reasons[0][k]),
    onZoom: isZoomed => { document.getElementById('whole').hidden = !isZoomed; },
  });

  // Half a minute at least, and within the run.
  function around(at, wide, [min, max]) {
    const width = Math.max(wide, 30), from = Math.max(0, Math.min((at ?? (min + max) / 2) - width / 2, whole - width));
    return [from, from + width];
  }
  // Moves the cursor of every chart to an instant, and the instant into view.
  function go(at) {
    const [min, max] = linked.shown();
    if (at < min || at > max) linked.zoom(around(at, max - min, [min, max]));
    requestAnimationFrame(() => linked.point(at));
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
  function seenAt(at) {
    const [starts, p50, p95, longest] = row.waits, isIn = at < data.length_s, bucket = isIn ? lastUntil(starts, at) : -1;
    return {
      needed: isIn ? value(data.needed, at) : null, arrivals: isIn ? value(data.arrivals, at) : null,
      desired: value(row.desired, at), running: value(row.running, at),
      p50: p50[bucket], p95: p95[bucket], longest: longest[bucket],
      billed: between(row.billed, at), limit: data.limit ? between(data.limit, at) : null, work: between(data.work, at),
    };
  }
  const rows = (words, ...named) => at => {
    const seen = seenAt(at);
    return named.map(([style, field, name = field]) => [style, name, words(seen[field])]);
  };
  function read(at) {
    pointed = at;
    const [min, max] = linked.shown(), has = at != null, reason = has ? lastUntil(row.reasons[0], at + 0.05) : -1;
    onPoint({at, reason, clock: has ? clock(at, max - min, whole) : null, risk: has ? riskAt(at) : null, ...(has ? seenAt(at) : {})});
    if (reason !== shown) { shown = reason; linked.redraw(0); }
  }

  const marks = () => ({at: row.reasons[0], value: k => value(row.desired, row.reasons[0][k] + 0.05) ?? 0, shown});

  // The periods in which the policy reported that the latency target is at risk: at least two pixels wide.
  function risks({ctx, bbox: {left, width, top, height}, valToPos}) {
    const [starts, ends] = row.at_risk ?? [[], []];
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    ctx.fillStyle = colour('risk');
    starts.forEach((start, k) => {
      const from = valToPos(start, 'x', true);
      ctx.fillRect(from, top, Math.max(2 * devicePixelRatio, valToPos(ends[k], 'x', true) - from), height);
    });
    ctx.restore();
  }
  function riskAt(at) {
    const [starts, ends, reasons] = row.at_risk ?? [[], [], []], k = lastUntil(starts, at);
    return k >= 0 && at <= ends[k] ? reasons[k] : null;
  }

  function waitScale() {
    const most = Math.max(data.latency_s, ...row.waits[3].filter(one => one != null));
    if (most < data.latency_s * 8) return {axis: {incrs: STEPS}, y: {range: () => [0, Math.max(most, data.latency_s * 1.2) * 1.06]}};
    const all = [0, 1, 10, 60, 600, HOUR, 6 * HOUR, DAY, 7 * DAY].filter(one => one <= most * 1.2);
    return {axis: {splits: () => all, filter: (u, at) => at}, y: {distr: 4, asinh: 1, range: () => [0, most * 1.4]}};
  }

  function draw(next) {
    row = next;
    shown = -1;
    whole = Math.max(data.length_s, row.ended_s);
    const [at, p50, p95, longest] = row.waits, ends = [...at, data.length_s], last = values => [...values, values[values.length - 1]], narrow = innerWidth < 640;
    linked.show([
      chart('c-tasks', joined(data.needed, row.desired, row.running), [
        step('needed', 'grey', 1, {fill: 'grey-soft'}), step('desired', 'orange', 1.25), step('running', 'blue', 1.75),
      ], {height: narrow ? 220 : 270, hooks: {draw: [risks]}, marks, rows: rows(plainly, ['area', 'needed'], ['orange', 'desired'], ['blue', 'running'])}),
      chart('c-waits', [ends, last(longest), last(p95), last(p50)], [
        step('longest', 'violet', 0.75), step('p95', 'violet', 1.75), step('p50', 'violet', 0),
      ], {...waitScale(), words: duration, hooks: {draw: [risks]}, bands: [{series: [2, 3], fill: () => colour('violet-soft')}], target: () => data.latency_s, rows: rows(duration, ['violet-thin', 'longest'], ['violet', 'p95'], ['spread', 'p50'])}),
      chart('c-arrivals', data.arrivals, [step('arrivals', 'grey', 1, {fill: 'grey-soft'})], {height: narrow ? 120 : 140, rows: rows(plainly, ['area', 'arrivals'])}),
      chart('c-cost', data.limit ? joined(data.work, row.billed, data.limit) : joined(data.work, row.billed), [
        line('work', 'grey', 1.25), line('billed', 'blue', 1.75), ...(data.limit ? [line('clairvoyant', 'green', 1.25)] : []),
      ], {rows: rows(plainly, ['blue', 'billed'], ...(data.limit ? [['green', 'limit', 'clairvoyant']] : []), ['grey', 'work', 'the work alone'])}),
    ]);
  }
  return {draw, leap, whole: () => linked.zoom(null)};
}
