// Server-sent events. A hidden page closes its stream. After a refusal it connects again after AGAIN_MS, unless
// `isOver` is true then.
import {$, put} from './dom.js';

const AGAIN_MS = 15000;

export function listen(address, onNews, isOver = async () => false) {
  let source = null, timer = 0;

  function say(state, text) {
    $('line').className = `line ${state}`;
    put($('line'), text);
  }
  let open = () => {
    close();
    if (document.hidden) return;
    source = new EventSource(address());
    source.onmessage = event => {
      say('live', 'live');
      onNews(JSON.parse(event.data));
    };
    source.onopen = () => say('live', 'live');
    source.onerror = () => {
      say('lost', 'disconnected: reconnecting');
      if (source.readyState === EventSource.CLOSED) again();
    };
  };
  async function again() {
    if (await isOver()) return end();
    clearTimeout(timer);
    timer = setTimeout(open, AGAIN_MS);
  }
  function end() {
    close();
    open = () => {};
  }
  function close() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }
  document.addEventListener('visibilitychange', () => document.hidden ? close() : open());
  addEventListener('pagehide', close);
  addEventListener('pageshow', event => event.persisted && open());
  open();
}
