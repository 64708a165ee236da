// The last hours as columns of numbers. New points are added.
const HISTORY_S = 24 * 3600;
export const NAMES = ['waiting', 'in_flight', 'desired', 'running', 'demand', 'oldest_s'];

export class Hours {
  constructor(history) {
    this.at = history.at;
    this.lines = Object.fromEntries(NAMES.map(name => [name, history[name]]));
  }

  // Points that are not newer than the last one replace it: several polls can be one point.
  add(points) {
    points?.at.forEach((at, k) => {
      const last = this.at.length - 1, to = last >= 0 && this.at[last] >= at ? last : last + 1;
      this.at[to] ??= at;
      for (const name of NAMES) this.lines[name][to] = points[name][k];
    });
    const old = this.until(this.at[this.at.length - 1] - HISTORY_S) + 1;
    for (const line of [this.at, ...Object.values(this.lines)]) line.splice(0, old);
  }

  // A gap is a row without values.
  table(...names) {
    return [this.at, ...names.map(name => this.lines[name])];
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
