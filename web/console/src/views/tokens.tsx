// Tokens and share links, for admins: who may do what, for how long.
import { useState } from 'preact/hooks';
import { t, time } from '../i18n/index.ts';
import { Check, Choice, Copyable, Field, Trouble, useEvery, useTask } from '../parts/ui.tsx';
import { get, request, type Scope } from '../state/access.ts';
import { words } from '../state/failures.ts';

interface TokenRow { name: string; id: string; scopes: Scope[]; admin: boolean; created: string; expires: string | null; last_used: string | null }
interface ShareRow { name: string; id: string; expires: string | null }
const VERBS = ['read', 'write', 'line'] as const;
const EXPIRIES = ['3600', '86400', '604800', '2592000', ''] as const;

export default function Tokens() {
  const [list, setList] = useState<{ tokens: TokenRow[]; shares: ShareRow[] } | null>(null);
  const [trouble, setTrouble] = useState<unknown>(null);
  const [asked, setAsked] = useState<string | null>(null);
  const look = () => void get<{ tokens: TokenRow[]; shares: ShareRow[] }>('/tokens').then((rows) => { setList(rows); setTrouble(null); }, setTrouble);
  useEvery(5000, look);
  const revoke = (name: string) => void request('DELETE', `/tokens/${encodeURIComponent(name)}`).then(() => { setAsked(null); look(); }, setTrouble);
  return (
    <div class="stack">
      <h2>{t('tokens')}</h2>
      <Trouble words={trouble === null ? null : words(trouble)} />
      <NewToken onMade={look} />
      <ul class="rows">
        {list?.tokens.map((row) => (
          <li key={row.name} class="card" data-token={row.name}>
            <div class="grow">
              <p><b>{row.name}</b> <span class="kind">{row.admin ? t('tokens.admin') : scopesText(row.scopes)}</span></p>
              <dl class="facts">
                <div><dt>{t('tokens.created')}</dt><dd>{time(row.created)}</dd></div>
                <div><dt>{t('tokens.expires')}</dt><dd>{row.expires ? time(row.expires) : t('tokens.never')}</dd></div>
                <div><dt>{t('tokens.last-used')}</dt><dd>{time(row.last_used)}</dd></div>
              </dl>
            </div>
            {asked === row.name ? (
              <div class="bar" role="group" aria-label={t('tokens.sure', { name: row.name })}>
                <span>{t('tokens.sure', { name: row.name })}</span>
                <button type="button" class="danger" onClick={() => revoke(row.name)}>{t('tokens.revoke')}</button>
                <button type="button" onClick={() => setAsked(null)}>{t('cancel')}</button>
              </div>
            ) : <button type="button" class="danger" aria-label={t('tokens.revoke-name', { name: row.name })} onClick={() => setAsked(row.name)}>{t('tokens.revoke')}</button>}
          </li>
        ))}
        {list?.shares.map((row) => (
          <li key={row.id} class="card">
            <div class="grow"><p><b>{row.name}</b> <span class="kind">{t('tokens.share-open')}</span></p>
              <dl class="facts"><div><dt>{t('tokens.expires')}</dt><dd>{row.expires ? time(row.expires) : t('tokens.never')}</dd></div></dl></div>
          </li>
        ))}
      </ul>
      {list?.tokens.length === 0 && <p class="hint">{t('tokens.none')}</p>}
    </div>
  );
}

const scopesText = (scopes: Scope[]) => scopes.map(({ endpoints, verbs }) => `${endpoints.join(', ')}: ${verbs.join(', ')}`).join(' · ');

function NewToken({ onMade }: { onMade: () => void }) {
  const [name, setName] = useState('');
  const [patterns, setPatterns] = useState('*');
  const [verbs, setVerbs] = useState<readonly string[]>(['read', 'write']);
  const [admin, setAdmin] = useState(false);
  const [expires, setExpires] = useState<typeof EXPIRIES[number]>('86400');
  const [made, setMade] = useState<{ text: string; hint: string } | null>(null);
  const task = useTask();
  const body = () => ({
    name, admin,
    ...(admin ? {} : { scopes: [{ endpoints: patterns.split(/[\s,]+/).filter(Boolean), verbs }] }),
    ...(expires ? { expires_in_s: Number(expires) } : {}),
  });
  const make = (kind: 'token' | 'share') => task.run(async () => {
    setMade(null);
    const answer = (await (await request('POST', `/${kind}s`, body())).json()) as { token?: string; share?: string };
    setMade(kind === 'token'
      ? { text: answer.token!, hint: t('tokens.made') }
      : { text: `${location.origin}/#share=${answer.share!}`, hint: t('tokens.shared') });
    setName('');
    onMade();
  });
  return (
    <form class="card new-token" onSubmit={(event) => { event.preventDefault(); make('token'); }}>
      <h3>{t('tokens.new')}</h3>
      <div class="row">
        <Field label={t('tokens.name')}><input required maxLength={64} pattern="[A-Za-z0-9_\-][A-Za-z0-9._\-]*" title={t('add.name-rule')} value={name} onInput={(event) => setName(event.currentTarget.value)} spellcheck={false} autocapitalize="off" /></Field>
        <Choice label={t('tokens.valid')} value={expires} onChange={setExpires} options={EXPIRIES.map((value) => [value, t(value ? `tokens.for-${value}` : 'tokens.never')] as const)} />
        <Field label={t('tokens.endpoints')}><input disabled={admin} required={!admin} value={patterns} onInput={(event) => setPatterns(event.currentTarget.value)} spellcheck={false} autocapitalize="off" /></Field>
      </div>
      <div class="row">
        {VERBS.map((verb) => <Check key={verb} label={t(`tokens.${verb}`)} disabled={admin} checked={admin || verbs.includes(verb)}
          onChange={(on) => setVerbs(on ? [...verbs, verb] : verbs.filter((other) => other !== verb))} />)}
        <Check label={t('tokens.admin')} checked={admin} onChange={setAdmin} />
      </div>
      <div class="row">
        <button class="primary" disabled={task.busy}>{t('tokens.make')}</button>
        <button type="button" disabled={task.busy || !name} onClick={() => make('share')}>{t('tokens.share')}</button>
      </div>
      <Trouble words={task.trouble === null ? null : words(task.trouble)} />
      <div role="status">{made && <><p>{made.hint}</p><Copyable text={made.text} label={made.hint} /></>}</div>
    </form>
  );
}
