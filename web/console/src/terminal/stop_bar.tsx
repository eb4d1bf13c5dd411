// A machine that the gateway has stopped stays stopped until the person who drove it says that they know.
import { t, time } from '../i18n/index.ts';
import { acknowledge, session, stops } from '../state/gateway.ts';

export function StopBar({ endpoint }: { endpoint: string }) {
  const stop = stops.value.get(endpoint);
  if (!stop) return null;
  const mine = stop.session === session.value?.id;
  return (
    <div class="stop-bar" role="alert">
      <p>
        <b>{t(mine ? 'stop.mine' : 'stop.other', { name: endpoint, time: time(stop.at) })}</b>{' '}
        {t(mine ? 'stop.mine-try' : 'stop.other-try')}
      </p>
      <button type="button" class="primary" onClick={() => acknowledge(endpoint)}>
        {t(mine ? 'stop.acknowledge' : 'dismiss')}
      </button>
    </div>
  );
}
