// Cost against lateness: each policy is a point that can be selected with mouse, touch and keyboard.
function scatter(figure, said, rows, choose) {
  const svg = figure.querySelector('svg');
  const make = (name, attributes, parent = svg) => {
    const node = document.createElementNS(svg.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return parent.appendChild(node);
  };
  const placed = rows.map((row, index) => ({row, index})).filter(({row}) => row.cost[0] != null && row.late[0] != null);
  placed.sort((a, b) => a.row.cost[0] - b.row.cost[0]);
  let chosen = -1, best = [];
  svg.toggleAttribute('hidden', !placed.length);

  // Zero has no logarithm, so it has a separate line at the bottom.
  function lateScale(top, bottom) {
    const late = placed.map(({row}) => row.late[0]), some = late.filter(value => value > 0);
    const most = Math.max(...late, 0), least = Math.min(...some);
    if (!some.length || most / least < 12) {
      const end = Math.max(most * 1.12, 0.1), step = nice(end / 5), marks = [];
      for (let value = 0; value <= end; value += step) marks.push(+value.toPrecision(6));
      return {at: value => bottom - (bottom - top) * value / end, marks, floor: bottom};
    }
    const low = Math.max(Math.floor(Math.log10(least)), -2), high = Math.log10(Math.min(100, most * 1.6)), foot = bottom - 34;
    const marks = [0];
    for (let power = low; power <= high; power++) marks.push(+(10 ** power).toPrecision(3));
    const at = value => value <= 0 ? bottom : foot - (foot - top) * Math.max(0, (Math.log10(value) - low) / (high - low));
    return {at, marks, floor: bottom};
  }
  function costScale(left, right) {
    const cost = placed.map(({row}) => row.cost[0]), most = Math.max(...cost), least = Math.min(1, ...cost);
    if (most / least < 4) {
      const start = least - (most - least) * 0.06, end = most + (most - least) * 0.12 || 2, step = nice((end - start) / 6), marks = [];
      for (let value = Math.ceil(start / step) * step; value <= end; value += step) marks.push(+value.toPrecision(6));
      return {at: value => left + (right - left) * (value - start) / (end - start), marks};
    }
    const low = Math.log(least * 0.92), high = Math.log(most * 1.25);
    const marks = [1, 1.5, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000, 2000, 5000, 10000].filter(value => value <= most * 1.25);
    return {at: value => left + (right - left) * (Math.log(value) - low) / (high - low), marks};
  }
  function nice(rough) {
    const power = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 2.5, 5, 10].find(factor => factor * power >= rough) * power;
  }

  function axes(x, y, box) {
    for (const value of y.marks) {
      make('line', {class: value === 0 ? 'floor' : 'grid', x1: box.left, x2: box.right, y1: y.at(value), y2: y.at(value)});
      make('text', {x: box.left - 8, y: y.at(value) + 4, 'text-anchor': 'end'}).textContent = value === 0 ? 'none' : `${value} %`;
    }
    let free = -Infinity;
    for (const value of x.marks) {
      if (x.at(value) - free < 34) continue;
      free = x.at(value);
      if (value !== 1) make('line', {class: 'grid', x1: free, x2: free, y1: box.top, y2: box.bottom});
      make('text', {x: free, y: box.bottom + 20, 'text-anchor': 'middle'}).textContent = `${value} ×`;
    }
    make('line', {class: 'work', x1: x.at(1), x2: x.at(1), y1: box.top, y2: box.bottom});
    make('text', {x: box.left - 8, y: box.top - 10, 'text-anchor': 'start'}).textContent = 'messages late';
    make('text', {x: box.right, y: box.bottom + 40, 'text-anchor': 'end'}).textContent = 'cost, in multiples of the work alone';
  }

  // The cost of the clairvoyant, and the Pareto front: the policies that no other is better than in both, by ascending cost.
  function front(x, y, box) {
    for (const {row} of placed.filter(one => one.row.kind === 'limit')) {
      make('line', {class: 'limit-line', x1: x.at(row.cost[0]), x2: x.at(row.cost[0]), y1: box.top, y2: box.bottom});
    }
    let least = Infinity;
    best = placed.filter(({row}) => row.kind !== 'limit' && row.late[0] < least && ((least = row.late[0]), true));
    if (best.length < 2) return;
    const steps = best.map(({row}, k) => k ? `H${x.at(row.cost[0])}V${y.at(row.late[0])}` : `M${x.at(row.cost[0])},${y.at(row.late[0])}`);
    make('path', {class: 'front', d: steps.join('')});
  }

  function points(x, y, box) {
    for (const {row, index} of placed) {
      const cx = x.at(row.cost[0]), cy = y.at(row.late[0]), shape = row.kind === 'limit' ? 'limit' : row.kind;
      const wide = row.cost[1], high = row.late[1];
      if (wide) make('line', {class: 'spread', x1: x.at(Math.max(row.cost[0] - wide, 0.01)), x2: x.at(row.cost[0] + wide), y1: cy, y2: cy});
      if (high) make('line', {class: 'spread', x1: cx, x2: cx, y1: y.at(Math.max(row.late[0] - high, 0)), y2: Math.max(y.at(row.late[0] + high), box.top)});
      const group = make('g', {class: `point ${shape}`, role: 'button', tabindex: -1, 'data-row': index, 'aria-pressed': 'false',
        'aria-label': `${row.label}: ${row.verdict}`});
      make('circle', {class: 'reach', cx, cy, r: 14}, group);
      make('circle', {class: 'ring', cx, cy, r: 9}, group);
      if (shape === 'limit') make('path', {class: 'dot', d: `M${cx},${cy - 7}l7,7l-7,7l-7,-7z`}, group);
      else make('circle', {class: 'dot', cx, cy, r: shape === 'ours' ? 6.5 : 5}, group);
      group.addEventListener('click', () => choose(index));
      group.addEventListener('mouseenter', () => describe(row));
      group.addEventListener('mouseleave', () => describe(null));
      group.addEventListener('focus', () => describe(row));
      group.addEventListener('keydown', event => walk(event, index));
    }
  }

  const describe = row => {
    const hint = placed.length ? 'Select a point to show its run below.' : 'The load has no messages, so no relative cost is defined.';
    said.textContent = row ? `${row.label}: ${row.verdict}` : hint;
  };

  function walk(event, index) {
    const place = placed.findIndex(one => one.index === index);
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (step) {
      const next = placed[(place + step + placed.length) % placed.length];
      const node = svg.querySelector(`[data-row="${next.index}"]`);
      svg.querySelectorAll('.point').forEach(point => point.setAttribute('tabindex', -1));
      node.setAttribute('tabindex', 0);
      node.focus();
    } else if (event.key === 'Enter' || event.key === ' ') choose(index);
    else return;
    event.preventDefault();
  }

  // A name is placed where it covers nothing. The most important names are placed first; the others can be omitted.
  function names(x, y, box) {
    const taken = placed.map(({row}) => around(x.at(row.cost[0]), y.at(row.late[0]), 8, 8));
    const weight = ({row, index}) => index === chosen ? 0 : row.kind !== 'peer' ? 1 : row.beaten ? 3 : 2;
    for (const {row, index} of [...placed].sort((a, b) => weight(a) - weight(b))) {
      const label = row.label.length > 30 ? row.label.slice(0, 29) + '…' : row.label;
      const kind = `name ${row.kind}${index === chosen ? ' chosen' : ''}`;
      const text = make('text', {class: kind, 'aria-hidden': 'true'});
      text.textContent = label;
      const wide = text.getComputedTextLength(), cx = x.at(row.cost[0]), cy = y.at(row.late[0]);
      const free = [[12 + wide / 2, 0], [-12 - wide / 2, 0], [0, -17], [0, 17], [10 + wide / 2, -13], [-10 - wide / 2, -13],
        [10 + wide / 2, 13], [-10 - wide / 2, 13], [0, -31], [0, 31], [18 + wide / 2, -28], [-18 - wide / 2, -28],
        [0, -46], [24 + wide / 2, -46], [0, -62]];
      const spots = best.some(one => one.row === row) ? [free[4], free[2], ...free] : free;
      const spot = spots.find(([dx, dy]) => {
        const area = around(cx + dx, cy + dy, wide / 2 + 2, 7);
        return area.left > box.left && area.right < box.right + 8 && area.top > box.top - 8 && area.bottom < box.bottom + 6
          && !taken.some(other => overlap(area, other));
      });
      if (!spot) { text.remove(); continue; }
      const [dx, dy] = spot;
      taken.push(around(cx + dx, cy + dy, wide / 2, 7));
      text.setAttribute('x', cx + dx - wide / 2);
      text.setAttribute('y', cy + dy + 4);
      if (Math.abs(dy) > 20) make('line', {class: 'lead-line', x1: cx, y1: cy + Math.sign(dy) * 7, x2: cx + dx * 0.3, y2: cy + dy - Math.sign(dy) * 8});
    }
  }
  const around = (x, y, w, h) => ({left: x - w, right: x + w, top: y - h, bottom: y + h});
  const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

  function draw() {
    const {width, height} = svg.getBoundingClientRect();
    if (!width || !placed.length) return;
    const focused = svg.contains(document.activeElement);
    svg.replaceChildren();
    svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    const box = {left: 58, right: width - 12, top: 30, bottom: height - 50};
    const x = costScale(box.left + 8, box.right), y = lateScale(box.top, box.bottom);
    axes(x, y, box);
    front(x, y, box);
    points(x, y, box);
    names(x, y, box);
    mark(focused);
  }
  function mark(focused) {
    for (const point of svg.querySelectorAll('.point')) {
      const is = +point.dataset.row === chosen;
      point.classList.toggle('chosen', is);
      point.setAttribute('aria-pressed', String(is));
      point.setAttribute('tabindex', is ? 0 : -1);
      if (is && focused) point.focus();
    }
    if (!svg.querySelector('.point[tabindex="0"]')) svg.querySelector('.point')?.setAttribute('tabindex', 0);
  }
  new ResizeObserver(draw).observe(figure);
  describe(null);
  return index => { chosen = index; draw(); };
}
