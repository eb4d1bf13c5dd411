// Speed, format and wires of a serial line. What is asked is done on the board, which then says how the line
// is.
import { useRef, useState } from 'preact/hooks';
import type { FlowControl, LineStatus, LineStep } from 'thingway';
import { number, t } from '../i18n/index.ts';
import { Check, Choice, Field, Trouble, useEvery, useTask } from '../parts/ui.tsx';
import { allows } from '../state/access.ts';
import type { Desk } from '../state/desks.ts';
import { words } from '../state/failures.ts';
import { link, session } from '../state/gateway.ts';

const BAUDS = [
  '300',
  '1200',
  '2400',
  '4800',
  '9600',
  '19200',
  '38400',
  '57600',
  '115200',
  '230400',
  '460800',
  '921600',
  '1000000',
  '1500000',
  '3000000',
];
const FORMATS = ['8N1', '8E1', '8O1', '8N2', '7E1', '7O1', '7N1', '7N2', '5N1', '6N1'];
const INPUTS = ['cts', 'dsr', 'dcd', 'ri'] as const;

export function LineControl({ desk }: { desk: Desk }) {
  const { status, done, task, run } = useLine(desk);
  const [baud, setBaud] = useState<string | null>(null); // null: as the line has it
  const [format, setFormat] = useState<string | null>(null);
  const [flow, setFlow] = useState<FlowControl | null>(null);
  const script = (steps: LineStep[]) =>
    run(steps, () => {
      for (const reset of [setBaud, setFormat, setFlow]) reset(null);
    });
  const settings = (): LineStep[] => [
    ...(baud !== null && Number(baud) !== status?.baud ? [{ baud: Number(baud) }] : []),
    ...(format !== null && format !== status?.format ? [{ format }] : []),
    ...(flow !== null && flow !== status?.flow ? [{ flow }] : []),
  ];
  const may = allows(desk.name, 'line') && link.value === 'connected' && !task.busy;
  const counters = status?.counters === 'unsupported' ? null : (status?.counters ?? null);
  const formats = [...new Set([...FORMATS, status?.format ?? '8N1'])];
  return (
    <section class="card line-control" aria-label={t('line.title', { name: desk.name })}>
      <form
        class="bar"
        onSubmit={(event) => {
          event.preventDefault();
          script(settings());
        }}
      >
        <Field label={t('line.baud')}>
          <input
            class="baud"
            inputMode="numeric"
            pattern="[0-9]{2,8}"
            list="bauds"
            disabled={!may}
            value={baud ?? status?.baud ?? ''}
            onInput={(event) => setBaud(event.currentTarget.value)}
          />
        </Field>
        <datalist id="bauds">
          {BAUDS.map((value) => (
            <option key={value} value={value} />
          ))}
        </datalist>
        <Choice
          label={t('line.format')}
          value={format ?? status?.format ?? '8N1'}
          options={formats.map((value) => [value, value] as const)}
          onChange={setFormat}
          disabled={!may}
        />
        <Choice
          label={t('line.flow')}
          value={flow ?? status?.flow ?? 'none'}
          disabled={!may}
          onChange={setFlow}
          options={[
            ['none', t('line.flow-none')],
            ['rts-cts', 'RTS/CTS'],
            ['xon-xoff', 'XON/XOFF'],
          ]}
        />
        <button type="submit" class="primary" disabled={!may || !settings().length}>
          {t('line.apply')}
        </button>
      </form>
      <Wires status={status} may={may} script={script} />
      <BreakAndFlush may={may} script={script} />
      <p class="hint" role="status">
        {task.busy && t('line.busy')}
        {!task.busy && done && t('line.done')}
      </p>
      {counters && <Counters counters={counters} />}
      {!allows(desk.name, 'line') && <p class="hint">{t('line.forbidden')}</p>}
      <Trouble words={task.trouble === null ? null : words(task.trouble)} onDismiss={task.settle} />
    </section>
  );
}

/** How the line is, asked every two seconds, and scripts for it. */
function useLine(desk: Desk) {
  const [status, setStatus] = useState<LineStatus | null>(null);
  const [done, setDone] = useState(false);
  const task = useTask();
  // the last look at the line, whose trouble is over with the next that succeeds
  const failed = useRef(false);

  const look = async () => {
    const { value: made } = session;
    if (!made || link.peek() !== 'connected') return;
    try {
      setStatus(await made.line(desk.name, []));
      if (failed.current) task.settle();
      failed.current = false;
    } catch (error) {
      setStatus(null);
      failed.current = true;
      task.run(() => Promise.reject(error));
    }
  };
  useEvery(2000, () => void look(), [desk]);
  const run = (steps: LineStep[], then: () => void) =>
    task.run(async () => {
      failed.current = false;
      setDone(false);
      setStatus(await session.value!.line(desk.name, steps));
      setDone(true);
      then();
    });
  return { status, done, task, run };
}

interface Scripted {
  may: boolean;
  script: (steps: LineStep[]) => void;
}

function Wires({ status, may, script }: { status: LineStatus | null } & Scripted) {
  const modem = status?.modem === 'unsupported' ? null : (status?.modem ?? null);
  return (
    <div class="bar wires">
      <Check
        label="DTR"
        checked={modem?.dtr ?? false}
        disabled={!may || !modem}
        onChange={(dtr) => script([{ dtr }])}
      />
      <Check
        label="RTS"
        checked={modem?.rts ?? false}
        disabled={!may || !modem}
        onChange={(rts) => script([{ rts }])}
      />
      {modem
        && INPUTS.map((wire) => (
          <span key={wire} class="wire" data-on={modem[wire]}>
            {wire.toUpperCase()} {t(modem[wire] ? 'on' : 'off')}
          </span>
        ))}
      <button
        type="button"
        class="small"
        disabled={!may || !modem}
        onClick={() => script([{ dtr: false }, { wait_ms: 100 }, { dtr: true }])}
      >
        {t('line.reset')}
      </button>
      {status && !modem && <span class="hint">{t('line.no-modem')}</span>}
    </div>
  );
}

function BreakAndFlush({ may, script }: Scripted) {
  const [breakMs, setBreakMs] = useState('250');
  const [flush, setFlush] = useState<'both' | 'input' | 'output'>('both');
  return (
    <div class="bar">
      <Field label={t('line.break-ms')}>
        <input
          class="short"
          type="number"
          min="1"
          max="10000"
          value={breakMs}
          onInput={(event) => setBreakMs(event.currentTarget.value)}
        />
      </Field>
      <button
        type="button"
        disabled={!may || !(Number(breakMs) > 0)}
        onClick={() => script([{ break_ms: Number(breakMs) }])}
      >
        {t('line.break')}
      </button>
      <Choice
        label={t('line.flush-what')}
        value={flush}
        onChange={setFlush}
        disabled={!may}
        options={[
          ['both', t('line.flush-both')],
          ['input', t('line.flush-input')],
          ['output', t('line.flush-output')],
        ]}
      />
      <button type="button" disabled={!may} onClick={() => script([{ flush }])}>
        {t('line.flush')}
      </button>
    </div>
  );
}

function Counters({ counters }: { counters: Exclude<LineStatus['counters'], 'unsupported'> }) {
  return (
    <p class="hint">
      {t('line.counters', {
        rx: counters.rx,
        tx: counters.tx,
        frame: counters.frame,
        parity: counters.parity,
        overrun: counters.overrun + counters.buffer_overrun,
        breaks: counters.breaks,
      })}
      {counters.frame > 0 && ` ${t('line.wrong-speed', { frame: number(counters.frame) })}`}
    </p>
  );
}
