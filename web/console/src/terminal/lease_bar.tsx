// Which session may write, where only one at a time may; and the question of one that wants to.
import { useEffect, useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { useEvery } from '../parts/ui.tsx';
import { get } from '../state/access.ts';
import type { Desk } from '../state/desks.ts';
import { words } from '../state/failures.ts';
import { leases, session } from '../state/gateway.ts';
import type { SessionRow } from '../views/sessions.tsx';

/** The token and the address of another session, or a part of its id where this page may not look it up. */
function useName(id: string | null): string {
  const [name, setName] = useState('');
  useEffect(() => {
    setName('');
    if (!id) return;
    let current = true;
    void get<SessionRow>(`/sessions/${id}`).then(
      (row) => {
        if (current) setName([row.token, row.remote?.replace(/:\d+$/, '')].filter(Boolean).join(', '));
      },
      () => {},
    );
    return () => {
      current = false;
    };
  }, [id]);
  return name || (id ?? '').slice(0, 8);
}

/** Seconds until the session that has asked gets the right to write. */
function useCountdown(waitMs: number | null): number {
  const [end, setEnd] = useState(0);
  const [left, setLeft] = useState(0);
  useEffect(() => setEnd(performance.now() + (waitMs ?? 0)), [waitMs]);
  useEvery(250, () => setLeft(Math.max(0, Math.ceil((end - performance.now()) / 1000))), [end]);
  return left;
}

export function LeaseBar({ desk }: { desk: Desk }) {
  const lease = leases.value.get(desk.name);
  const holder = lease?.yours ? null : (lease?.holder ?? null);
  const who = useName(holder);
  const asker = useName(lease?.askedBy ?? null);
  const seconds = useCountdown(lease?.waitMs ?? null);
  if (!lease) return null;
  const run = (task: Promise<unknown> | undefined) => {
    desk.trouble.value = null;
    task?.catch((error: unknown) => {
      desk.trouble.value = () => words(error);
    });
  };
  const { value: made } = session;
  const take = (options?: { force?: boolean; ask?: boolean }) => run(made?.lease.take(desk.name, options));
  const button = (label: string, click: () => void, primary = false) => (
    <button type="button" class={`small ${primary ? 'primary' : ''}`} onClick={click}>
      {label}
    </button>
  );
  const mine = lease.askedBy !== null && lease.askedBy === made?.id;
  if (lease.yours && lease.askedBy) {
    return (
      <div class="bar lease" data-lease="wanted" role="alert">
        <span>{t('lease.wanted', { who: asker })}</span>{' '}
        <span aria-hidden="true">{t('lease.seconds', { seconds })}</span>
        {button(t('lease.keep'), () => run(made?.lease.keep(desk.name)), true)}
        {button(t('lease.hand-over'), () => run(made?.lease.release(desk.name)))}
      </div>
    );
  }
  const other = mine ? t('lease.asked', { who }) : t('lease.held', { who });
  const text = holder ? other : t('lease.free');

  return (
    <div class="bar lease" data-lease={lease.yours ? 'yours' : holder ? 'other' : 'free'}>
      <span role="status">{lease.yours ? t('lease.yours') : text}</span>{' '}
      {mine && <span aria-hidden="true">{t('lease.seconds', { seconds })}</span>}
      {lease.yours ? (
        button(t('lease.release'), () => run(made?.lease.release(desk.name)))
      ) : !holder ? (
        button(t('lease.take'), () => take())
      ) : (
        <>
          {!lease.askedBy && button(t('lease.ask'), () => take({ ask: true }), true)}
          {button(t('lease.take-over'), () => take({ force: true }))}
        </>
      )}
    </div>
  );
}
