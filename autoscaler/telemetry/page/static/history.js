import {lastUntil} from './figures.js';

// The last hours as columns of numbers. New points are added.
const HISTORY_S = 24 * 3600;
export const NAMES = ['waiting', 'in_flight', 'desired', 'running', 'demand', 'oldest_s'];

export class Hours {
  constructor(history) {
    this.replace(history);
  }

  replace(history) {
    this.firstAt = history.first_at;
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
    const old = lastUntil(this.at, this.at[this.at.length - 1] - HISTORY_S) + 1;
    for (const line of [this.at, ...Object.values(this.lines)]) line.splice(0, old);
  }

  get lastAt() {
    return this.at[this.at.length - 1];
  }

  // A gap is a row without values.
  table(...names) {
    return [this.at, ...names.map(name => this.lines[name])];
  }

  // The index of the last point at or before `at`, not before the first.
  until(at) {
    return Math.max(0, lastUntil(this.at, at));
  }
}
