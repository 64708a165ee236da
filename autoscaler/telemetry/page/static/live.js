// Server-sent events. A hidden page closes its stream. After a refusal it connects again after AGAIN_MS.
import {$, put} from './dom.js';

const AGAIN_MS = 15000;

export function listen(address, onNews) {
  let source = null, timer = 0;

  function say(state, text) {
    $('line').className = `line ${state}`;
    put($('line'), text);
  }
  function open() {
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
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, AGAIN_MS);
    };
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
