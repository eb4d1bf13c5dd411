// The frame of the page: what it is connected to, the views, notices.
import type { ComponentType } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { chooseLanguage, theme, type Theme } from './state/settings.ts';
import { language, languages, number, t, type Key, type Language } from './i18n/index.ts';
import { Scroller } from './parts/scroller.tsx';
import { Choice } from './parts/ui.tsx';
import { access, hasTokens, signIn } from './state/access.ts';
import { namedIn, nameInAddress, viewIn } from './state/address.ts';
import { open, openNamed } from './state/desks.ts';
import { link, roundTrips, session, signOut } from './state/gateway.ts';
import { install, isInstalled } from './state/install.ts';
import { late, load } from './state/late.ts';
import { notices, settle } from './state/notices.ts';
import { SignIn } from './views/sign_in.tsx';
import { Terminals } from './views/terminals.tsx';

/**
 * What is not there at the first sight is loaded once there is a gateway, so that a view is there even when
 * it is not any more.
 */
const stop = link.subscribe((state) => {
  if (state !== 'connected') return;
  setTimeout(() => void load('later').catch(() => {}), 1500);
  queueMicrotask(() => stop());
});
const views = ['terminals', 'plots', 'drive', 'connection', 'sessions', 'tokens'] as const;
type View = (typeof views)[number];
type LaterView = Exclude<View, 'terminals'>;
const viewOf = (hash: string): View => views.find((view) => view === viewIn(hash)) ?? 'terminals';

export function App() {
  const [view, setView] = useState(viewOf(location.hash));
  useEffect(() => {
    const turn = () => {
      setView(viewOf(location.hash));
      openNamed(namedIn(location.hash));
      if (viewOf(location.hash) === 'terminals') nameInAddress(open.value);
      requestAnimationFrame(() =>
        document.querySelector('nav [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' }),
      );
    };
    addEventListener('hashchange', turn);
    return () => removeEventListener('hashchange', turn);
  }, []);
  useEffect(() => {
    if (view === 'terminals') nameInAddress(open.value);
  }, [view, open.value]);
  const asked = signIn.value !== null;
  useEffect(() => {
    document.title = asked || view === 'terminals' ? 'thingway' : `${t(view)} · thingway`;
  }, [view, asked, language.value]);
  return (
    <>
      <Header view={view} asked={asked} />
      <Notices />
      {asked ? (
        <SignIn />
      ) : (
        <main id="view" tabIndex={-1}>
          <Terminals hidden={view !== 'terminals'} />
          {view !== 'terminals' && <Later key={view} view={view} />}
        </main>
      )}
    </>
  );
}

function Later({ view }: { view: LaterView }) {
  const [Part, setPart] = useState<ComponentType | null>(null);
  useEffect(() => {
    void late('later').then((parts) => setPart(() => parts[view]));
  }, [view]);
  return Part ? (
    <Part />
  ) : (
    <p class="hint" role="status">
      {t('loading')}
    </p>
  );
}

function Header({ view, asked }: { view: View; asked: boolean }) {
  const trip = roundTrips.value.at(-1);
  const shown = views.filter((name) => name !== 'tokens' || (hasTokens.value && access.value?.admin));
  return (
    <header class="top">
      {/* biome-ignore lint/a11y/useValidAnchor: it goes to a place of this page, whose address stays as it is */}
      <a
        class="skip"
        href="#view"
        onClick={(event) => {
          event.preventDefault();
          document.querySelector<HTMLElement>('#view')?.focus();
        }}
      >
        {t('skip')}
      </a>
      <span class="logo">thingway</span>
      {!asked && (
        <Scroller as="nav" label={t('views')}>
          {shown.map((name) => (
            <a key={name} href={`#/${name}`} aria-current={view === name ? 'page' : undefined}>
              {t(name as Key)}
            </a>
          ))}
        </Scroller>
      )}
      <p class="link" data-state={link.value}>
        <span role="status">{t(`link.${link.value}`)}</span>
        {link.value === 'connected' && trip && (
          <span class="round-trip" aria-hidden="true">
            {' '}
            {number(trip.value, 1)} ms
          </span>
        )}
      </p>
      <Menu />
    </header>
  );
}

function Menu() {
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const elsewhere = ({ target }: Event) => {
      if (menu.current && !menu.current.contains(target as Node)) menu.current.open = false;
    };
    addEventListener('pointerdown', elsewhere);
    return () => removeEventListener('pointerdown', elsewhere);
  }, []);
  return (
    <details
      ref={menu}
      class="menu"
      onKeyDown={(event) => {
        if (event.key === 'Escape') event.currentTarget.open = false;
      }}
    >
      <summary aria-label={t('menu')}>⋯</summary>
      <div class="card">
        <Choice<Theme>
          label={t('theme')}
          value={theme.value}
          options={[
            ['auto', t('theme.auto')],
            ['light', t('theme.light')],
            ['dark', t('theme.dark')],
          ]}
          onChange={(chosen) => {
            theme.value = chosen;
          }}
        />
        <Choice<Language>
          label={t('language')}
          value={language.value}
          options={Object.entries(languages) as [Language, string][]}
          onChange={chooseLanguage}
        />
        {access.value?.token && <p class="hint">{t('signed-in', { name: access.value.token })}</p>}
        {access.value?.token && (
          <button type="button" onClick={() => void signOut()}>
            {t('sign-out')}
          </button>
        )}
        {!isInstalled()
          && (install.value ? (
            <button type="button" onClick={install.value}>
              {t('install')}
            </button>
          ) : (
            <p class="hint">{t(isSecureContext ? 'install.menu' : 'install.insecure')}</p>
          ))}
        {session.value && <p class="hint mono">{session.value.server}</p>}
      </div>
    </details>
  );
}

function Notices() {
  return (
    <ul class="notices" aria-live="assertive" aria-label={t('notices')}>
      {notices.value.map(({ topic, words, action }) => {
        const { what, todo } = words();
        return (
          <li key={topic} data-topic={topic}>
            <p>
              <b>{what}</b> {todo}
            </p>
            {action && (
              <button type="button" class="small" onClick={action.run}>
                {action.label()}
              </button>
            )}
            <button type="button" class="small quiet" aria-label={t('dismiss')} onClick={() => settle(topic)}>
              ✕
            </button>
          </li>
        );
      })}
    </ul>
  );
}
