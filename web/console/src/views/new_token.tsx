// Makes a token, or a link that gives one to the first person who opens it.
import { useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { Check, Choice, Copyable, Field, Trouble, useTask } from '../parts/ui.tsx';
import { enter, request } from '../state/access.ts';
import { words } from '../state/failures.ts';
import { Closed, Links, origins } from './links.tsx';

const VERBS = ['read', 'write', 'line'] as const;
const EXPIRIES = ['3600', '86400', '604800', '2592000', ''] as const;
type Made = { token: string } | { share: string };

export function NewToken({ onMade }: { onMade: () => void }) {
  const [name, setName] = useState('');
  const [patterns, setPatterns] = useState('*');
  const [verbs, setVerbs] = useState<readonly string[]>(['read', 'write']);
  const [admin, setAdmin] = useState(false);
  const [expires, setExpires] = useState<(typeof EXPIRIES)[number]>('86400');
  const [made, setMade] = useState<Made | null>(null);
  const task = useTask();
  const body = () => ({
    name,
    admin,
    ...(admin ? {} : { scopes: [{ endpoints: patterns.split(/[\s,]+/).filter(Boolean), verbs }] }),
    ...(expires ? { expires_in_s: Number(expires) } : {}),
  });
  const make = (kind: 'token' | 'share') =>
    task.run(async () => {
      setMade(null);
      const answer = (await (await request('POST', `/${kind}s`, body())).json()) as Made;
      await enter().catch(() => {}); // the network may have been opened since this page was loaded
      setMade(answer);
      setName('');
      onMade();
    });
  return (
    <form
      class="card new-token"
      onSubmit={(event) => {
        event.preventDefault();
        make('token');
      }}
    >
      <h3>{t('tokens.new')}</h3>
      {!origins().length && !made && <Closed />}
      <div class="row">
        <Field label={t('tokens.name')}>
          <input
            required
            maxLength={64}
            pattern="[A-Za-z0-9_\-][A-Za-z0-9._\-]*"
            title={t('add.name-rule')}
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
            spellcheck={false}
            autocapitalize="off"
          />
        </Field>
        <Choice
          label={t('tokens.valid')}
          value={expires}
          onChange={setExpires}
          options={EXPIRIES.map(
            (value) => [value, t(value ? `tokens.for-${value}` : 'tokens.never')] as const,
          )}
        />
        <Field label={t('tokens.endpoints')}>
          <input
            disabled={admin}
            required={!admin}
            value={patterns}
            onInput={(event) => setPatterns(event.currentTarget.value)}
            spellcheck={false}
            autocapitalize="off"
          />
        </Field>
      </div>
      <div class="row">
        {VERBS.map((verb) => (
          <Check
            key={verb}
            label={t(`tokens.${verb}`)}
            disabled={admin}
            checked={admin || verbs.includes(verb)}
            onChange={(on) => setVerbs(on ? [...verbs, verb] : verbs.filter((other) => other !== verb))}
          />
        ))}
        <Check label={t('tokens.admin')} checked={admin} onChange={setAdmin} />
      </div>
      <div class="row">
        <button type="submit" class="primary" disabled={task.busy}>
          {t('tokens.make')}
        </button>
        <button type="button" disabled={task.busy || !name} onClick={() => make('share')}>
          {t('tokens.share')}
        </button>
      </div>
      <Trouble words={task.trouble === null ? null : words(task.trouble)} />
      <div role="status">{made && <New made={made} />}</div>
    </form>
  );
}

function New({ made }: { made: Made }) {
  if ('share' in made)
    return (
      <>
        <p>{t('tokens.shared')}</p>
        <Links key={made.share} fragment={`share=${made.share}`} label={t('tokens.shared')} />
      </>
    );
  return (
    <>
      <p>{t('tokens.made')}</p>
      <Copyable text={made.token} label={t('tokens.made')} />
      {origins().length > 0 && <p>{t('tokens.made-link')}</p>}
      {origins().length > 0 ? (
        <Links key={made.token} fragment={`token=${made.token}`} label={t('tokens.made-link')} />
      ) : (
        <Closed />
      )}
    </>
  );
}
