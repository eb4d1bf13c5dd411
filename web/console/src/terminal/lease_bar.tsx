// Who may write, where only one at a time may.
import { useEffect, useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { get } from '../state/access.ts';
import type { Desk } from '../state/desks.ts';
import { words } from '../state/failures.ts';
import { leases, session } from '../state/gateway.ts';
import type { SessionRow } from '../views/sessions.tsx';

export function LeaseBar({ desk }: { desk: Desk }) {
  const lease = leases.value.get(desk.name);
  const [who, setWho] = useState('');
  const holder = lease?.yours ? null : lease?.holder ?? null;
  useEffect(() => {
    setWho('');
    if (!holder) return;
    let current = true;
    // Who may not look it up sees the number of the session only.
    void get<SessionRow>(`/sessions/${holder}`).then((row) => {
      if (current) setWho([row.token, row.remote?.replace(/:\d+$/, '')].filter(Boolean).join(', '));
    }, () => {});
    return () => { current = false; };
  }, [holder]);
  if (!lease) return null;
  const ask = (task: Promise<unknown> | undefined) => {
    desk.trouble.value = null;
    task?.catch((error: unknown) => { desk.trouble.value = () => words(error); });
  };
  const { value: made } = session;
  const text = lease.yours ? t('lease.yours') : !holder ? t('lease.free') : t('lease.held', { who: who || holder.slice(0, 8) });
  return (
    <div class="bar lease" data-lease={lease.yours ? 'yours' : holder ? 'other' : 'free'}>
      <span role="status">{text}</span>
      {lease.yours
        ? <button type="button" class="small" onClick={() => ask(made?.lease.release(desk.name))}>{t('lease.release')}</button>
        : holder
          ? <button type="button" class="small" onClick={() => ask(made?.lease.take(desk.name, { force: true }))}>{t('lease.take-over')}</button>
          : <button type="button" class="small" onClick={() => ask(made?.lease.take(desk.name))}>{t('lease.take')}</button>}
    </div>
  );
}
