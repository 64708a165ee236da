// The last hours as columns of numbers. New points are added.
const HISTORY_S = 6 * 3600;
export const NAMES = ['waiting', 'in_flight', 'desired', 'running', 'demand', 'oldest_s'];

export class Hours {
  constructor(history) {
    this.step = history.step_s;
    this.at = history.at;
    this.lines = Object.fromEntries(NAMES.map(name => [name, history[name]]));
  }

  add(point) {
    if (!point) return;
    const last = this.at.length - 1;
    if (last >= 0 && point.at < this.at[last]) return;
    const to = last >= 0 && this.at[last] === point.at ? last : last + 1;
    this.at[to] = point.at;
    for (const name of NAMES) this.lines[name][to] = point[name];
    while (this.at.length && this.at[0] <= point.at - HISTORY_S) {
      this.at.shift();
      for (const name of NAMES) this.lines[name].shift();
    }
  }

  // A long time without points becomes a gap, not a line.
  table(...names) {
    const rows = [[], ...names.map(() => [])], far = this.far();
    this.at.forEach((at, k) => {
      if (k && at - this.at[k - 1] > far) [this.at[k - 1] + this.step, ...names.map(() => null)].forEach((one, column) => rows[column].push(one));
      [at, ...names.map(name => this.lines[name][k])].forEach((one, column) => rows[column].push(one));
    });
    return rows;
  }

  // Three times the median distance, at least five minutes: idle services are polled less often.
  far() {
    const apart = this.at.slice(1).map((at, k) => at - this.at[k]).sort((a, b) => a - b);
    return Math.max(300, 3 * (apart[apart.length >> 1] ?? 0));
  }

  // The index of the last point at or before `at`.
  until(at) {
    let low = 0, high = this.at.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.at[middle] <= at) low = middle + 1; else high = middle;
    }
    return low - 1;
  }
}
