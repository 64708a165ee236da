// The last hours as columns of numbers: all points, and those to draw, which are merged in equal steps.
import {DAY, lastUntil} from './figures.js';

const MERGED = {waiting: Math.max, in_flight: Math.max, desired: newest, running: newest, demand: Math.max, oldest_s: Math.max};
export const NAMES = Object.keys(MERGED);
function newest(before, after) { return after; }

export class Hours {
  constructor(history) {
    this.step = 0;
    this.replace(history);
  }

  replace(history) {
    this.firstAt = history.first_at;
    this.all = {at: history.at, lines: Object.fromEntries(NAMES.map(name => [name, history[name]]))};
    this.draw();
  }

  // Points that are not newer than the last one replace it: several polls can be one point.
  add(points) {
    const {at: times, lines} = this.all;
    points?.at.forEach((at, k) => {
      const last = times.length - 1, to = last >= 0 && times[last] >= at ? last : last + 1;
      times[to] ??= at;
      for (const name of NAMES) lines[name][to] = points[name][k];
    });
    const old = lastUntil(times, this.lastAt - DAY) + 1;
    for (const line of [times, ...Object.values(lines)]) line.splice(0, old);
    this.draw();
  }

  get lastAt() {
    return this.all.at[this.all.at.length - 1];
  }
  get size() {
    return this.all.at.length;
  }

  // Merges the points in steps of seconds (0: not), with the highest values and the newest task counts, as the daemon does for older ones.
  // A line of polls next to a line of minutes would seem to be a change of the service.
  merge(step) {
    if (step === this.step) return false;
    this.step = step;
    this.draw();
    return true;
  }
  draw() {
    const {step, all} = this;
    this.at = step ? [] : all.at;
    this.lines = step ? Object.fromEntries(NAMES.map(name => [name, []])) : all.lines;
    let gap = null;
    for (let k = 0; step && k < all.at.length; k++) {
      const row = NAMES.map(name => all.lines[name][k]), slot = Math.floor(all.at[k] / step) * step;
      if (row.every(value => value == null)) { gap ??= all.at[k]; continue; }
      if (gap != null && all.at[k] - gap >= step) this.put(Math.max(gap, this.at[this.at.length - 1] + 1 || gap), NAMES.map(() => null));
      gap = null;
      this.put(slot, row);
    }
    if (gap != null && this.lastAt - gap >= step) this.put(gap, NAMES.map(() => null));
  }
  put(at, row) {
    const last = this.at.length - 1, isSame = last >= 0 && this.at[last] >= at, to = isSame ? last : last + 1;
    this.at[to] ??= at;
    NAMES.forEach((name, k) => {
      const line = this.lines[name], before = isSame ? line[to] : null;
      line[to] = before == null ? row[k] : row[k] == null ? before : MERGED[name](before, row[k]);
    });
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
