// The list of endpoints with their states as they change, and how to add, change and remove them.
import { useEffect, useState } from 'preact/hooks';
import { isKey, t } from '../i18n/index.ts';
import { access } from '../state/access.ts';
import { desks, front, openDesk } from '../state/desks.ts';
import { endpoints, link, listed } from '../state/gateway.ts';
import { late } from '../state/late.ts';

export function stateWord(state: string): string {
  const key = link.value === 'reconnecting' || link.value === 'closed' ? 'state.unknown' : `state.${state}`;
  return isKey(key) ? t(key) : state;
}

export function Endpoints({ onOpen }: { onOpen: () => void }) {
  const [adding, setAdding] = useState(false);
  const [edited, setEdited] = useState<string | null>(null);
  const list = [...endpoints.value.values()].sort((a, b) => a.name.localeCompare(b.name));
  const open = (name: string) => {
    openDesk(name);
    onOpen();
  };
  return (
    <section class="endpoints" aria-labelledby="endpoints-title">
      <header class="bar">
        <h2 id="endpoints-title">{t('endpoints')}</h2>
        {access.value?.admin !== false && (
          <button
            type="button"
            class="small"
            aria-expanded={adding}
            onClick={() => {
              setEdited(null);
              setAdding(!adding);
            }}
          >
            {t(adding ? 'cancel' : 'add.open')}
          </button>
        )}
      </header>
      {adding && (
        <Forms
          add={(name) => {
            setAdding(false);
            if (name) open(name);
          }}
        />
      )}
      {edited !== null && <Forms key={edited} edit={{ name: edited, onDone: () => setEdited(null) }} />}
      <ul>
        {list.map(({ name, kind, state, detail }) => {
          const opened = desks.value.some((desk) => desk.name === name);
          return (
            <li key={name} class="endpoint" data-name={name} data-state={state}>
              <span class="dot" aria-hidden="true" />
              <span class="what">
                <b>{name}</b> <span class="kind">{kind}</span>
                <br />
                <span class="state">
                  {stateWord(state)}
                  {detail && `: ${detail}`}
                </span>
              </span>
              {access.value?.configure && (
                <button
                  type="button"
                  class="small quiet"
                  aria-expanded={edited === name}
                  aria-label={t('endpoint.edit-name', { name })}
                  onClick={() => {
                    setAdding(false);
                    setEdited(edited === name ? null : name);
                  }}
                >
                  ✎
                </button>
              )}
              <button
                type="button"
                class={opened ? '' : 'primary'}
                disabled={link.value !== 'connected' && !opened}
                aria-label={t(opened ? 'endpoint.show-name' : 'endpoint.open-name', { name })}
                aria-pressed={opened ? front.value === name : undefined}
                onClick={() => open(name)}
              >
                {t(opened ? 'endpoint.show' : 'endpoint.open')}
              </button>
            </li>
          );
        })}
      </ul>
      {!list.length && <p class="hint">{t(listed.value ? 'endpoints.none' : 'endpoints.asking')}</p>}
      <p class="visually-hidden" role="status">
        {list.map(({ name, state }) => `${name}: ${stateWord(state)}`).join(', ')}
      </p>
    </section>
  );
}

/** The forms come late: most people look at a device and change nothing. */
function Forms({
  add,
  edit,
}: {
  add?: (name: string | null) => void;
  edit?: { name: string; onDone: () => void };
}) {
  const [parts, setParts] = useState<typeof import('./later.tsx') | null>(null);
  useEffect(() => {
    void late('later').then(setParts);
  }, []);
  if (!parts)
    return (
      <p class="hint" role="status">
        {t('loading')}
      </p>
    );
  return edit ? (
    <parts.EditEndpoint name={edit.name} onDone={edit.onDone} />
  ) : (
    <parts.AddEndpoint onDone={add!} />
  );
}
