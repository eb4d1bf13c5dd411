// An endpoint from one of the serial ports that the machine has.
import { useEffect, useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { Copyable, Field, Trouble, useTask } from '../parts/ui.tsx';
import { get, Refusal, request } from '../state/access.ts';
import { words } from '../state/failures.ts';

interface Port {
  device: string; path: string; driver: string | null; vendor: string | null; product: string | null; serial_number: string | null;
  holders: { pid: number; name: string }[]; warnings: string[]; suggested_name: string; config: string; endpoint: string | null;
}
const BAUDS = ['9600', '19200', '38400', '57600', '115200', '230400', '460800', '921600'];

export function AddEndpoint({ onDone }: { onDone: (name: string | null) => void }) {
  const [ports, setPorts] = useState<Port[] | null>(null);
  const [chosen, setChosen] = useState<Port | null>(null);
  const [path, setPath] = useState('');
  const [name, setName] = useState('');
  const [baud, setBaud] = useState('115200');
  const task = useTask();
  const look = () => task.run(async () => setPorts((await get<{ ports: Port[] }>('/ports')).ports));
  useEffect(look, []);

  const choose = (port: Port | null) => {
    setChosen(port);
    setPath(port?.path ?? '');
    setName(port?.suggested_name ?? '');
    task.settle();
  };
  const config = `[[endpoint]]\nname = "${name}"\nkind = "serial"\npath = "${path}"\nbaud = ${baud}\n`;
  const add = () => task.run(async () => {
    await request('PUT', `/endpoints/${encodeURIComponent(name)}`, { kind: 'serial', path, baud: Number(baud) });
    onDone(name);
  });
  // The gateway writes no configuration unless it was told that it may: then a person has to.
  const byHand = task.trouble instanceof Refusal && (task.trouble.status === 403 || task.trouble.status === 409);
  return (
    <form class="card add" onSubmit={(event) => { event.preventDefault(); add(); }}>
      <fieldset disabled={task.busy}>
        <legend>{t('add.ports')}</legend>
        {ports?.map((port) => (
          <label key={port.device} class="port">
            <input type="radio" name="port" disabled={port.endpoint !== null} checked={chosen === port} onChange={() => choose(port)} />
            <span>
              <b>{port.product ?? port.device}</b> <span class="kind">{[port.vendor, port.product && port.device, port.driver].filter(Boolean).join(' · ')}</span>
              {port.endpoint && <span class="state"> {t('add.taken', { name: port.endpoint })}</span>}
              {port.holders.map((holder) => <span key={holder.pid} class="state"> {t('add.held', { name: holder.name, pid: String(holder.pid) })}</span>)}
              {port.warnings.map((warning) => <span key={warning} lang="en" class="state warning"> {warning}</span>)}
            </span>
          </label>
        ))}
        {ports?.length === 0 && <p class="hint">{t('add.no-ports')}</p>}
        <div class="row">
          <button type="button" class="small" onClick={look}>{t('add.again')}</button>
        </div>
      </fieldset>
      <Field label={t('add.path')}><input required value={path} onInput={(event) => setPath(event.currentTarget.value)} placeholder="/dev/ttyUSB0" spellcheck={false} autocapitalize="off" /></Field>
      <div class="row">
        <Field label={t('add.name')}><input required pattern="[A-Za-z0-9_\-][A-Za-z0-9._\-]{0,63}" title={t('add.name-rule')} value={name} onInput={(event) => setName(event.currentTarget.value)} spellcheck={false} autocapitalize="off" /></Field>
        <Field label={t('line.baud')}>
          <input required inputMode="numeric" pattern="[0-9]{2,8}" list="add-bauds" value={baud} onInput={(event) => setBaud(event.currentTarget.value)} />
        </Field>
        <datalist id="add-bauds">{BAUDS.map((value) => <option key={value} value={value} />)}</datalist>
      </div>
      <div class="row"><button class="primary" disabled={task.busy}>{t('add.do')}</button></div>
      <Trouble words={task.trouble === null ? null : words(task.trouble)} />
      {byHand && <>
        <p>{t('add.by-hand')}</p>
        <Copyable text={config} label={t('add.config')} />
        <p class="hint">{t('add.or-allow')}</p>
        <Copyable text={'[api]\nconfigure = true\n'} label={t('add.config')} />
      </>}
    </form>
  );
}
