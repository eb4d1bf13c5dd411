// A new endpoint: from one of the serial ports that the machine has, or of any other kind.
import { useEffect, useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { Copyable, Trouble, useTask } from '../parts/ui.tsx';
import { access, get } from '../state/access.ts';
import { words } from '../state/failures.ts';
import { begin, EndpointForm } from './endpoint_form.tsx';
import type { Settings } from './endpoint_fields.ts';

interface Port {
  device: string;
  path: string;
  driver: string | null;
  vendor: string | null;
  product: string | null;
  serial_number: string | null;
  holders: { pid: number; name: string }[];
  warnings: string[];
  suggested_name: string;
  config: string;
  endpoint: string | null;
}

export function AddEndpoint({ onDone }: { onDone: (name: string | null) => void }) {
  const [ports, setPorts] = useState<Port[] | null>(null);
  const [chosen, setChosen] = useState<Port | null>(null);
  const [name, setName] = useState('');
  const [settings, setSettings] = useState<Settings>(begin('serial'));
  const task = useTask();
  const look = () => task.run(async () => setPorts((await get<{ ports: Port[] }>('/ports')).ports));
  useEffect(look, []);
  const choose = (port: Port) => {
    setChosen(port);
    setName(port.suggested_name);
    setSettings({ ...settings, path: port.path });
  };
  return (
    <section class="card add" aria-label={t('add.title')}>
      {/* Before a person fills in anything. */}
      {access.value?.configure === false && (
        <div class="by-hand">
          <p>{t('add.by-hand')}</p>
          <p class="hint">{t('add.or-allow')}</p>
          <Copyable text={'[api]\nconfigure = true\n'} label={t('add.config')} />
        </div>
      )}
      {settings.kind === 'serial' && (
        <fieldset disabled={task.busy}>
          <legend>{t('add.ports')}</legend>
          {ports?.map((port) => (
            <label key={port.device} class="port">
              <input
                type="radio"
                name="port"
                disabled={port.endpoint !== null}
                checked={chosen === port}
                onChange={() => choose(port)}
              />
              <span>
                <b>{port.product ?? port.device}</b>{' '}
                <span class="kind">
                  {[port.vendor, port.product && port.device, port.driver].filter(Boolean).join(' · ')}
                </span>
                {port.endpoint && <span class="state"> {t('add.taken', { name: port.endpoint })}</span>}
                {port.holders.map((holder) => (
                  <span key={holder.pid} class="state">
                    {' '}
                    {t('add.held', { name: holder.name, pid: String(holder.pid) })}
                  </span>
                ))}
                {port.warnings.map((warning) => (
                  <span key={warning} lang="en" class="state warning">
                    {' '}
                    {warning}
                  </span>
                ))}
              </span>
            </label>
          ))}
          {ports?.length === 0 && <p class="hint">{t('add.no-ports')}</p>}
          <div class="row">
            <button type="button" class="small" onClick={look}>
              {t('add.again')}
            </button>
          </div>
          <Trouble words={task.trouble === null ? null : words(task.trouble)} />
        </fieldset>
      )}
      <EndpointForm
        name={name}
        settings={settings}
        onName={setName}
        onSettings={setSettings}
        isNew
        onDone={onDone}
      />
    </section>
  );
}
