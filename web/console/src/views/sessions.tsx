// Who is connected, and the end of a session.
import { useState } from 'preact/hooks';
import { t, time, bytes } from '../i18n/index.ts';
import { Trouble, useEvery } from '../parts/ui.tsx';
import { get, request } from '../state/access.ts';
import { words } from '../state/failures.ts';
import { session } from '../state/gateway.ts';

export interface SessionRow {
  id: string;
  state: string;
  age_ms: number;
  bytes_sent: number;
  bytes_received: number;
  candidate_pair: { remote: string } | null;
  channels: { label: string; endpoint: string | null }[];
  token?: string | null;
  remote?: string | null;
  created?: string;
}

export default function Sessions() {
  const [rows, setRows] = useState<SessionRow[] | null>(null);
  const [trouble, setTrouble] = useState<unknown>(null);
  const look = () =>
    void get<{ sessions: SessionRow[] }>('/sessions').then(({ sessions }) => {
      setRows(sessions);
      setTrouble(null);
    }, setTrouble);
  useEvery(2000, look);
  const disconnect = (id: string) => void request('DELETE', `/sessions/${id}`).then(look, setTrouble);
  return (
    <div class="stack">
      <h2>{t('sessions')}</h2>
      <Trouble words={trouble === null ? null : words(trouble)} />
      <ul class="rows">
        {rows?.map((row) => {
          const mine = row.id === session.value?.id;
          const open = row.channels
            .map(({ endpoint }) => endpoint)
            .filter(Boolean)
            .join(', ');
          const who = row.token ?? t('sessions.no-token');
          return (
            <li key={row.id} class="card" data-session={row.id}>
              <div class="grow">
                <p>
                  <b>{who}</b> {mine && <span class="badge">{t('sessions.mine')}</span>}{' '}
                  <span class="kind">{t(`session.${state(row.state)}`)}</span>
                </p>
                <dl class="facts">
                  <div>
                    <dt>{t('sessions.from')}</dt>
                    <dd>{row.remote ?? row.candidate_pair?.remote ?? '–'}</dd>
                  </div>
                  <div>
                    <dt>{t('sessions.since')}</dt>
                    <dd>{time(row.created ?? Date.now() - row.age_ms)}</dd>
                  </div>
                  <div>
                    <dt>{t('sessions.open')}</dt>
                    <dd>{open || '–'}</dd>
                  </div>
                  <div>
                    <dt>{t('connection.counters')}</dt>
                    <dd>
                      ↓ {bytes(row.bytes_sent)} ↑ {bytes(row.bytes_received)}
                    </dd>
                  </div>
                </dl>
              </div>
              <button
                type="button"
                class="danger"
                aria-label={t('sessions.disconnect-name', { name: `${who} ${row.id.slice(0, 8)}` })}
                onClick={() => disconnect(row.id)}
              >
                {t('sessions.disconnect')}
              </button>
            </li>
          );
        })}
      </ul>
      {rows?.length === 0 && <p class="hint">{t('sessions.none')}</p>}
    </div>
  );
}

const STATES = ['new', 'connecting', 'connected', 'disconnected', 'failed', 'closed'] as const;
const state = (word: string) => STATES.find((known) => known === word) ?? 'new';
