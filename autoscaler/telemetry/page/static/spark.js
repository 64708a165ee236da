// A sparkline: one character per point, as the daemon sends it (0 to z, `.` is unknown). The part above the target is red.
const SVG = 'http://www.w3.org/2000/svg', WIDE = 60, HIGH = 20, EDGE = 2, MOST = 35;

function node(tag, properties) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(properties)) made.setAttribute(name, value);
  return made;
}

// The levels as shares of the highest one.
export const shares = levels => [...levels].map(one => one === '.' ? null : parseInt(one, 36) / MOST);

export function spark() {
  const svg = node('svg', {class: 'spark', viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: 'none', 'aria-hidden': 'true'});
  let shown = '', paths = null;
  // `steps`: horizontal pieces, for counts. `limit`: the target as a share of the highest level (null: none).
  function draw(levels, limit, steps) {
    const next = `${levels} ${limit}`;
    if (next === shown) return;
    shown = next;
    if (!paths) {
      paths = ['target', 'curve', 'over'].map(name => node('path', {class: name}));
      svg.append(...paths);
    }
    const [target, line, over] = paths, points = shares(levels);
    line.setAttribute('d', curve(points, steps));
    over.setAttribute('d', limit == null ? '' : above(points, limit));
    target.setAttribute('d', limit == null ? '' : `M0 ${y(limit)}H${WIDE}`);
  }
  return {svg, draw};
}

const x = (at, of) => +(at * (WIDE - 2) / Math.max(1, of - 1) + 1).toFixed(1);
const y = share => +(HIGH - EDGE - share * (HIGH - 2 * EDGE)).toFixed(1);

function curve(points, steps) {
  let path = '', before = null;
  points.forEach((value, at) => {
    const here = x(at, points.length);
    if (value != null) path += before == null ? `M${here} ${y(value)}h.1` : steps ? `H${here}V${y(value)}` : `L${here} ${y(value)}`;
    before = value;
  });
  return path;
}

function above(points, limit) {
  let path = '';
  for (let at = 1; at < points.length; at += 1) {
    const [from, to] = [points[at - 1], points[at]], here = x(at, points.length), left = x(at - 1, points.length);
    if (from == null || to == null || Math.max(from, to) <= limit) continue;
    const crossing = left + (here - left) * (limit - from) / (to - from);
    path += `M${from > limit ? `${left} ${y(from)}` : `${crossing.toFixed(1)} ${y(limit)}`}L${to > limit ? `${here} ${y(to)}` : `${crossing.toFixed(1)} ${y(limit)}`}`;
  }
  return path;
}
