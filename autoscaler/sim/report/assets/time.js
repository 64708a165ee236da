// Formats instants, which are seconds since the start, as days and clock times.
const pad = number => String(number).padStart(2, '0');

// The time includes the day in a long run, and the second if the visible range is short.
function clock(at, spanned, whole) {
  const second = Math.round(at), day = Math.floor(second / DAY);
  const hours = Math.floor(second / HOUR) - (whole > DAY * 1.5 ? day * 24 : 0);
  const time = `${pad(hours)}:${pad(Math.floor(second / MINUTE) % 60)}` + (spanned < 2 * HOUR ? `:${pad(second % 60)}` : '');
  return whole > DAY * 1.5 ? `day ${day + 1} ${time}` : time;
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY];

// A label of the time axis. It shows the day only where a day starts, to leave room for the clock time.
function timeLabel(at, step, whole) {
  const day = `day ${Math.floor(at / DAY) + 1}`;
  if (step >= DAY) return day;
  if (whole > DAY * 1.5 && at % DAY === 0) return day;
  return clock(at % (whole > DAY * 1.5 ? DAY : Infinity), step < MINUTE ? 0 : Infinity, 0);
}
