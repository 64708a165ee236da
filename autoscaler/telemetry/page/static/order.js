// The sort orders of the services. Unknown values come last in both directions. Exception: an unknown message age sorts
// as the longest, because the unread queue may be the worst. A service without queues has no age.
import {SLO, shareOf} from './words.js';

// A service that missed its target in the last hours comes before those that never did.
const worst = row => SLO[row.slo].rank - (row.missed_at == null ? 0 : .5);
export const COLUMNS = {
  slo: {label: 'latency target', of: worst, first: 'ascending'},
  service: {label: 'service', of: row => row.key, first: 'ascending'},
  hour: {label: 'in time, 1 h', of: row => shareOf(row.trend?.hour), first: 'ascending'},
  hours: {label: 'in time, 6 h', of: row => shareOf(row.trend?.hours), first: 'ascending'},
  wait: {label: 'oldest message', of: row => row.oldest_s ?? (row.latency_s == null ? null : Infinity), first: 'descending'},
  backlog: {label: 'backlog', of: row => row.waiting, first: 'descending'},
  tasks: {label: 'tasks', of: row => row.desired, first: 'descending'},
  cost: {label: 'cost today', of: row => row.cost, first: 'descending'},
  idle: {label: 'idle share', of: row => row.idle, first: 'descending'},
  since: {label: 'newest change', of: row => row.since, first: 'descending'},
};

export function sorted(lines, column, direction) {
  const {of} = COLUMNS[column], sign = direction === 'descending' ? -1 : 1;
  return [...lines].sort((a, b) => {
    const one = of(a.row), other = of(b.row);
    if (one == null || other == null) return (one == null) - (other == null) || byName(a, b);
    return (one < other ? -sign : one > other ? sign : 0) || byName(a, b);
  });
}

const byName = (a, b) => a.row.key < b.row.key ? -1 : 1;
