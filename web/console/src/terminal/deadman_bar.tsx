// A dead-man switch in a terminal. The page sends heartbeats while the terminal is visible and a person has
// written from it; a banner says before the first message what a pause will do.
import { useEffect } from 'preact/hooks';
import { duration, t } from '../i18n/index.ts';
import { allows } from '../state/access.ts';
import { isStopped, type Desk } from '../state/desks.ts';
import { leases, link, session } from '../state/gateway.ts';

/** `shown`: the terminal is in sight, as far as the page can know. */
export function DeadmanBar({ desk, shown }: { desk: Desk; shown: boolean }) {
  const deadman = desk.deadman.value;
  const timeout = deadman?.timeout_ms ?? 0;
  const lease = leases.value.get(desk.name);
  const mayWrite = !lease?.holder || lease.yours;
  // Heartbeats arm nothing, and all the same none is sent before a person has written: only the writer has a
  // sign of life to give.
  const beats =
    desk.hasWritten.value
    && desk.state.value === 'open'
    && link.value === 'connected'
    && mayWrite
    && !isStopped(desk.name);
  useEffect(() => {
    if (!timeout || !shown || !beats) return;
    // From a timer of the page, which stops when the page hangs. A page that comes back into sight has no
    // time to lose.
    const beat = () => {
      if (!document.hidden) session.peek()?.heartbeat({ endpoint: desk.name });
    };
    beat();
    const timer = setInterval(beat, timeout / 3);
    document.addEventListener('visibilitychange', beat);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', beat);
    };
  }, [desk, timeout, shown, beats]);
  if (!timeout || isStopped(desk.name) || !allows(desk.name, 'write')) return null;
  const disarm = () => {
    session.peek()?.heartbeat({ endpoint: desk.name, stop: true });
    desk.hasWritten.value = false;
  };
  return (
    <div class="bar deadman-bar" role="status" data-armed={beats}>
      <span>{t(beats ? 'deadman.beating' : 'deadman.idle', { time: duration(timeout) })}</span>
      {beats && (
        <button type="button" class="small" onClick={disarm}>
          {t('deadman.disarm')}
        </button>
      )}
    </div>
  );
}
