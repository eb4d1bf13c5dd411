// The list of endpoints with their states as they change, and how to add one.
import { useState } from 'preact/hooks';
import { isKey, t } from '../i18n/index.ts';
import { access } from '../state/access.ts';
import { desks, front, openDesk } from '../state/desks.ts';
import { endpoints, link, listed } from '../state/gateway.ts';
import { AddEndpoint } from './add_endpoint.tsx';

export function stateWord(state: string): string {
  const key = link.value === 'reconnecting' || link.value === 'closed' ? 'state.unknown' : `state.${state}`;
  return isKey(key) ? t(key) : state;
}

export function Endpoints({ onOpen }: { onOpen: () => void }) {
  const [adding, setAdding] = useState(false);
  const list = [...endpoints.value.values()].sort((a, b) => a.name.localeCompare(b.name));
  const open = (name: string) => { openDesk(name); onOpen(); };
  return (
    <section class="endpoints" aria-labelledby="endpoints-title">
      <header class="bar">
        <h2 id="endpoints-title">{t('endpoints')}</h2>
        {access.value?.admin !== false && <button type="button" class="small" aria-expanded={adding} onClick={() => setAdding(!adding)}>{t(adding ? 'cancel' : 'add.open')}</button>}
      </header>
      {adding && <AddEndpoint onDone={(name) => { setAdding(false); if (name) open(name); }} />}
      <ul>
        {list.map(({ name, kind, state, detail }) => {
          const opened = desks.value.some((desk) => desk.name === name);
          return (
            <li key={name} class="endpoint" data-name={name} data-state={state}>
              <span class="dot" aria-hidden="true" />
              <span class="what">
                <b>{name}</b> <span class="kind">{kind}</span><br />
                <span class="state">{stateWord(state)}{detail && `: ${detail}`}</span>
              </span>
              <button type="button" class={opened ? '' : 'primary'} disabled={link.value !== 'connected' && !opened}
                aria-label={t(opened ? 'endpoint.show-name' : 'endpoint.open-name', { name })} aria-pressed={opened ? front.value === name : undefined}
                onClick={() => open(name)}>{t(opened ? 'endpoint.show' : 'endpoint.open')}</button>
            </li>
          );
        })}
      </ul>
      {!list.length && <p class="hint">{t(listed.value ? 'endpoints.none' : 'endpoints.asking')}</p>}
      <p class="visually-hidden" role="status">{list.map(({ name, state }) => `${name}: ${stateWord(state)}`).join(', ')}</p>
    </section>
  );
}
