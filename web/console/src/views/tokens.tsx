// Tokens and share links, for admins: who may do what, for how long.
import { useState } from 'preact/hooks';
import { t, time } from '../i18n/index.ts';
import { Trouble, useEvery } from '../parts/ui.tsx';
import { get, request, type Scope } from '../state/access.ts';
import { words } from '../state/failures.ts';
import { NewToken } from './new_token.tsx';

interface TokenRow {
  name: string;
  id: string;
  scopes: Scope[];
  admin: boolean;
  created: string;
  expires: string | null;
  last_used: string | null;
}
interface ShareRow {
  name: string;
  id: string;
  expires: string | null;
}

export default function Tokens() {
  const [list, setList] = useState<{ tokens: TokenRow[]; shares: ShareRow[] } | null>(null);
  const [trouble, setTrouble] = useState<unknown>(null);
  const [asked, setAsked] = useState<string | null>(null);
  const look = () =>
    void get<{ tokens: TokenRow[]; shares: ShareRow[] }>('/tokens').then((rows) => {
      setList(rows);
      setTrouble(null);
    }, setTrouble);
  useEvery(5000, look);
  const revoke = (name: string) =>
    void request('DELETE', `/tokens/${encodeURIComponent(name)}`).then(() => {
      setAsked(null);
      look();
    }, setTrouble);
  return (
    <div class="stack">
      <h2>{t('tokens')}</h2>
      <Trouble words={trouble === null ? null : words(trouble)} />
      <NewToken onMade={look} />
      <ul class="rows">
        {list?.tokens.map((row) => (
          <li key={row.name} class="card" data-token={row.name}>
            <div class="grow">
              <p>
                <b>{row.name}</b>{' '}
                <span class="kind">{row.admin ? t('tokens.admin') : scopesText(row.scopes)}</span>
              </p>
              <dl class="facts">
                <div>
                  <dt>{t('tokens.created')}</dt>
                  <dd>{time(row.created)}</dd>
                </div>
                <div>
                  <dt>{t('tokens.expires')}</dt>
                  <dd>{row.expires ? time(row.expires) : t('tokens.never')}</dd>
                </div>
                <div>
                  <dt>{t('tokens.last-used')}</dt>
                  <dd>{time(row.last_used)}</dd>
                </div>
              </dl>
            </div>
            <Revoke name={row.name} isAsked={asked === row.name} onAsk={setAsked} onSure={revoke} />
          </li>
        ))}
        {list?.shares.map((row) => (
          <li key={row.id} class="card" data-share={row.name}>
            <div class="grow">
              <p>
                <b>{row.name}</b> <span class="kind">{t('tokens.share-open')}</span>
              </p>
              <dl class="facts">
                <div>
                  <dt>{t('tokens.expires')}</dt>
                  <dd>{row.expires ? time(row.expires) : t('tokens.never')}</dd>
                </div>
              </dl>
            </div>
            <Revoke name={row.name} isAsked={asked === row.name} onAsk={setAsked} onSure={revoke} />
          </li>
        ))}
      </ul>
      {list?.tokens.length === 0 && <p class="hint">{t('tokens.none')}</p>}
    </div>
  );
}

const scopesText = (scopes: Scope[]) =>
  scopes.map(({ endpoints, verbs }) => `${endpoints.join(', ')}: ${verbs.join(', ')}`).join(' · ');

/** Asks once more: what has been revoked does not come back. */
function Revoke({
  name,
  isAsked,
  onAsk,
  onSure,
}: {
  name: string;
  isAsked: boolean;
  onAsk: (name: string | null) => void;
  onSure: (name: string) => void;
}) {
  if (!isAsked)
    return (
      <button
        type="button"
        class="danger"
        aria-label={t('tokens.revoke-name', { name })}
        onClick={() => onAsk(name)}
      >
        {t('tokens.revoke')}
      </button>
    );
  return (
    <div class="bar" role="group" aria-label={t('tokens.sure', { name })}>
      <span>{t('tokens.sure', { name })}</span>
      <button type="button" class="danger" onClick={() => onSure(name)}>
        {t('tokens.revoke')}
      </button>
      <button type="button" onClick={() => onAsk(null)}>
        {t('cancel')}
      </button>
    </div>
  );
}
