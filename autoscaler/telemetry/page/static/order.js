// The sort orders of the services. Unknown values come last in both directions. Exception: an unknown message age sorts
// as the longest, because the unread queue may be the worst. A service without queues has no age.
import {SLO} from './words.js';

const worst = row => SLO[row.slo].rank;
export const COLUMNS = {
  slo: {label: 'latency target', of: worst, first: 'ascending'},
  service: {label: 'service', of: row => row.key, first: 'ascending'},
  wait: {label: 'oldest message', of: row => row.oldest_s ?? (row.latency_s == null ? null : Infinity), first: 'descending'},
  backlog: {label: 'backlog', of: row => row.waiting, first: 'descending'},
  tasks: {label: 'tasks', of: row => row.desired, first: 'descending'},
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
