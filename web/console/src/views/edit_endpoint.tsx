// Changes or removes an endpoint that was added in the page. One of another file says which that is.
import { useEffect, useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { Trouble, useTask } from '../parts/ui.tsx';
import { get, Refusal, request } from '../state/access.ts';
import { words } from '../state/failures.ts';
import type { Settings } from './endpoint_fields.ts';
import { EndpointForm } from './endpoint_form.tsx';

export function EditEndpoint({ name, onDone }: { name: string; onDone: () => void }) {
  const [settings, setSettings] = useState<Settings | null>(null);
  const [isAsked, setAsked] = useState(false);
  const task = useTask();
  const path = `/endpoints/${encodeURIComponent(name)}`;
  useEffect(() => {
    task.run(async () => setSettings(await get<Settings>(`${path}/config`)));
  }, [name]);
  const remove = () =>
    task.run(async () => {
      await request('DELETE', path);
      onDone();
    });
  const { trouble } = task;
  const elsewhere =
    trouble instanceof Refusal && (trouble.status === 409 || trouble.status === 404) ? trouble : null;
  return (
    <section class="card add" aria-label={t('endpoint.edit-name', { name })}>
      <header class="bar">
        <h3 class="grow">{name}</h3>
        <button type="button" class="small" onClick={onDone}>
          {t('cancel')}
        </button>
      </header>
      {settings && (
        <EndpointForm
          name={name}
          settings={settings}
          onName={() => {}}
          onSettings={setSettings}
          isNew={false}
          onDone={onDone}
        />
      )}
      {settings
        && (isAsked ? (
          <div class="bar" role="group" aria-label={t('endpoint.sure', { name })}>
            <span>{t('endpoint.sure', { name })}</span>
            <button type="button" class="danger" disabled={task.busy} onClick={remove}>
              {t('endpoint.remove')}
            </button>
            <button type="button" onClick={() => setAsked(false)}>
              {t('cancel')}
            </button>
          </div>
        ) : (
          <div class="row">
            <button type="button" class="danger" onClick={() => setAsked(true)}>
              {t('endpoint.remove')}
            </button>
          </div>
        ))}
      {elsewhere ? (
        <p class="hint">
          {t('endpoint.elsewhere')} <span lang="en">{elsewhere.detail}</span>
        </p>
      ) : (
        <Trouble words={trouble === null ? null : words(trouble)} />
      )}
    </section>
  );
}
