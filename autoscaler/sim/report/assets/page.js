// The selected policy, and the elements that show it.
const $$ = id => document.getElementById(id);

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return JSON.parse(await new Response(stream).text());
}

function keyed(id, entries) {
  $$(id).querySelector('.keys').replaceChildren(...entries.map(([name, style, field]) => {
    const item = document.createElement('li'), swatch = document.createElement('i'), value = document.createElement('b');
    swatch.className = style;
    if (field) value.dataset.field = field;
    item.append(swatch, name, ...(field ? [value] : []));
    return item;
  }));
}

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0], first = [...body.rows];
  heads.forEach((head, column) => head.querySelector('button').addEventListener('click', () => {
    const next = {ascending: 'descending', descending: null}[head.getAttribute('aria-sort')];
    const order = next === undefined ? 'ascending' : next;
    heads.forEach(other => other.removeAttribute('aria-sort'));
    if (order) head.setAttribute('aria-sort', order);
    const key = line => column ? +line.cells[column].dataset.value : line.cells[0].textContent.toLowerCase();
    const sign = order === 'descending' ? -1 : 1;
    const compared = (a, b) => {
      const [one, other] = [key(a), key(b)];
      if (Number.isNaN(one) || Number.isNaN(other)) return Number.isNaN(one) - Number.isNaN(other);
      return sign * (one < other ? -1 : one > other ? 1 : 0);
    };
    body.replaceChildren(...(order ? [...first].sort(compared) : first));
  }));
}

function start(data) {
  const {rows} = data, select = $$('policy'), why = $$('why');
  const tiles = [['late', 'late_fraction', ' %'], ['wait p95', 'wait_p95_s', ' s'], ...(data.month ? [[data.month, 'task_hours', '']] : []), ['cost / work', 'cost_per_work', ' ×'],
    ['cost / clairvoyant', 'cost_per_oracle', ' ×'], ['lost work', 'lost_work_fraction', ' %']];
  const reported = rows.some(each => each.at_risk && each.at_risk[0].length);
  let row = null;

  keyed('c-tasks', [['needed', 'area', 'needed'], ['desired', 'orange', 'desired'], ['running', 'blue', 'running'], ...(reported ? [['reported at risk', 'risk']] : [])]);
  keyed('c-waits', [['latency target ' + duration(data.latency_s), 'red'], ['longest', 'violet-thin', 'longest'], ['p95', 'violet', 'p95'], ['p50, shaded to p95', 'spread', 'p50'], ...(reported ? [['reported at risk', 'risk']] : [])]);
  keyed('c-arrivals', [['arrivals', 'area', 'arrivals']]);
  keyed('c-cost', [['billed', 'blue', 'billed'], ...(data.limit ? [['clairvoyant', 'green', 'limit']] : []), ['the work alone', 'grey', 'work']]);

  const charts = timeCharts(data, seen => {
    const texts = {...seen, p50: duration(seen.p50), p95: duration(seen.p95), longest: duration(seen.longest)};
    for (const node of document.querySelectorAll('[data-field]')) {
      const value = texts[node.dataset.field];
      node.textContent = seen.at == null ? '' : typeof value === 'string' ? value : plainly(value);
    }
    $$('at').textContent = seen.clock ?? 'whole run';
    reason(seen.reason, seen.risk);
  });

  function reason(index, risk) {
    const [instants, sentences] = row.reasons, some = instants.length, bold = document.createElement('b');
    why.classList.toggle('none', index < 0);
    if (index >= 0) {
      bold.textContent = clock(instants[index], 0, Math.max(data.length_s, row.ended_s));
      why.replaceChildren(bold, sentences[index], ...(risk ? [' At risk: ', risk] : []));
    } else if (some) {
      const left = row.reasons_total > some ? `; this page has the ${some.toLocaleString('en')} with the largest changes` : '';
      why.textContent = `${row.reasons_total.toLocaleString('en')} ${row.reasons_total === 1 ? 'decision' : 'decisions'}${left}. Point at a chart to read the reason for the count.`;
    } else why.textContent = 'This policy logs no reasons.';
  }

  function choose(index) {
    row = rows[index];
    select.value = index;
    place(index);
    $$('tiles').replaceChildren(...tiles.map(([name, field, unit]) => {
      const box = document.createElement('div'), term = document.createElement('dt'), value = document.createElement('dd');
      term.textContent = name;
      value.textContent = row.figures[field] + (row.figures[field] === '–' ? '' : unit);
      box.append(term, value);
      return box;
    }));
    $$('said-verdict').textContent = row.drawn ? `${row.label}: ${row.verdict}.` : `${row.label} did not run with the seed of the charts.`;
    document.querySelectorAll('tr[data-row]').forEach(line => line.classList.toggle('chosen', +line.dataset.row === index));
    document.querySelectorAll('.chart').forEach(chart => { chart.hidden = !row.drawn; });
    $$('earlier').disabled = $$('later').disabled = !row.drawn || !row.reasons[0].length;
    if (row.drawn) charts.draw(row);
  }
  const place = scatter($$('place'), $$('place-said'), rows, choose);

  select.addEventListener('change', () => choose(+select.value));
  $$('earlier').addEventListener('click', () => charts.leap(-1));
  $$('later').addEventListener('click', () => charts.leap(1));
  $$('whole').addEventListener('click', charts.whole);
  document.querySelectorAll('tr[data-row] th button').forEach(button =>
    button.addEventListener('click', () => choose(+button.closest('tr').dataset.row)));
  document.querySelectorAll('.plot').forEach(plot => { plot.tabIndex = 0; plot.setAttribute('role', 'group'); plot.setAttribute('aria-label', 'chart; the arrow keys move between decisions'); });
  document.querySelectorAll('table').forEach(sortable);
  choose(+select.value);
  document.documentElement.dataset.drawn = 'yes';
}

$$('copy').addEventListener('click', async () => {
  getSelection().selectAllChildren($$('command'));
  try { await navigator.clipboard.writeText($$('command').textContent); } catch { document.execCommand('copy'); }
  $$('copy').textContent = 'Copied';
});

unpacked($$('data').textContent).then(start).catch(error => {
  const notice = document.createElement('p');
  notice.className = 'notice';
  notice.textContent = `The charts could not be drawn (${error.message}). The tables below contain the same results.`;
  document.querySelector('main').prepend(notice);
  document.documentElement.dataset.drawn = 'failed';
});
