// Numbers, times and states as text. Times use the clock of the daemon: the browser's clock may be wrong.
import {put} from './dom.js';
import {DAY, HOUR, MINUTE} from './figures.js';

export {DAY, HOUR, duration, plainly} from './figures.js';

let reported = Date.now() / 1000, receivedAt = performance.now();
export const now = () => reported + (performance.now() - receivedAt) / 1000;
export function setNow(wall) {
  reported = wall;
  receivedAt = performance.now();
}

export const SLO = {
  missed: {sign: '✕', word: 'missed', headline: 'Latency target missed', rank: 0},
  at_risk: {sign: '▲', word: 'at risk', headline: 'Latency target at risk', rank: 1},
  unknown: {sign: '?', word: 'unknown', headline: 'Latency target unknown', rank: 2},
  met: {sign: '✓', word: 'met', headline: 'Latency target met', rank: 3},
  none: {sign: '–', word: 'none', headline: 'No latency target', rank: 4},
};

// A formatter is created once: `toLocaleString` creates one per call.
const NUMBER = new Intl.NumberFormat('en'), CENTS = new Intl.NumberFormat('en', {minimumFractionDigits: 2, maximumFractionDigits: 2});
const WHOLE = new Intl.NumberFormat('en', {maximumFractionDigits: 0});

export const count = number => number == null ? '–' : NUMBER.format(number);
export const several = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;

export const dollars = amount => amount == null ? '–' : `$${(amount < 100 ? CENTS : WHOLE).format(amount)}`;

// The share of [received, late] messages that were in time. Null: none was received.
export const shareOf = found => found?.[0] ? 1 - found[1] / found[0] : null;
export function percent(found) {
  const share = shareOf(found);
  return share == null ? '–' : found[1] ? `${(Math.floor(share * 1000) / 10).toFixed(1)} %` : '100 %';
}

export function ago(wall) {
  const seconds = Math.max(0, Math.floor(now() - wall));
  if (seconds < MINUTE) return seconds < 5 ? 'just now' : `${seconds - seconds % 5} s ago`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ago`;
  return seconds < 2 * DAY ? `${Math.floor(seconds / HOUR)} h ago` : `${Math.floor(seconds / DAY)} d ago`;
}

// A row is sent when it changes, not at every poll: its time is the last change that the page has received.
export function unchanged(wall) {
  const since = ago(wall);
  return since === 'just now' ? 'updated just now' : `unchanged for ${since.replace(' ago', '')}`;
}

// A sentence without the name of its service, for places that show the name.
export const withoutName = (text, key) => text.startsWith(`${key}: `) ? text.slice(key.length + 2) : text;

export const exact = wall => new Date(wall * 1000).toISOString().replace('T', ' ').replace(/\.\d+Z$/, ' UTC');
export const clock = wall => new Date(wall * 1000).toLocaleTimeString('en-GB');
export const minute = wall => clock(wall).slice(0, 5);
const dateOf = wall => new Date(wall * 1000).toDateString();
export const sinceWhen = wall => `since ${minute(wall)}${dateOf(wall) === dateOf(now()) ? '' : ' yesterday'}`;

// Updates every `time` element with a wall time, every few seconds: how long ago it was, or how long nothing has changed.
export function keepAgo() {
  setInterval(() => document.querySelectorAll('time[data-wall]').forEach(say), 5000);
}

export function setAgo(node, wall) {
  node.dataset.wall = wall;
  node.dateTime = new Date(wall * 1000).toISOString();
  node.title = exact(wall);
  say(node);
}

function say(node) {
  const words = 'unchanged' in node.dataset ? unchanged : ago;
  put(node, words(+node.dataset.wall));
}

export const pauseOf = paused => paused == null ? null : typeof paused === 'number' ? `paused at ${paused}` : `paused: ${paused}`;
export const shadowOf = activate => activate == null ? '' : `In shadow: the desired count is never changed. To activate it, ${activate}.`;
export const modeOf = mode => mode === 'active' ? null : mode.replaceAll('_', ' ');
export const tagsOf = row => [pauseOf(row.paused), modeOf(row.mode), row.schedule && `schedule ${row.schedule}`].filter(Boolean);

// Why the latency target is not met, the cause first. Null: it is met, or there is none.
export const problemOf = row => row.slo === 'met' || row.slo === 'none' ? null : row.cause ?? row.reason;
