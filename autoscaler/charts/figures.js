// Numbers and times as text, and the search in a list of instants: for the charts, the daemon's page and the simulator's report.
export const MINUTE = 60, HOUR = 3600, DAY = 86400;

// A formatter is created once: `toLocaleString` creates one per call.
const SHORT = new Intl.NumberFormat('en', {maximumSignificantDigits: 3}), LONG = new Intl.NumberFormat('en', {maximumSignificantDigits: 6});
export const plainly = value => value == null ? '–' : (Math.abs(value) >= 1000 ? LONG : SHORT).format(value);

export function duration(seconds) {
  if (seconds == null) return '–';
  if (seconds >= 2 * DAY) return `${plainly(seconds / DAY)} d`;
  if (seconds >= 2 * HOUR) return `${plainly(seconds / HOUR)} h`;
  if (seconds >= 10 * MINUTE) return `${plainly(seconds / MINUTE)} min`;
  return `${seconds >= 10 ? Math.round(seconds) : +seconds.toPrecision(2)} s`;
}

// The index of the last instant that is not after `at`; -1 before the first.
export function lastUntil(instants, at) {
  let low = 0, high = instants.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (instants[middle] <= at) low = middle + 1; else high = middle;
  }
  return low - 1;
}
