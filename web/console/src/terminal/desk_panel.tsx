// One endpoint's terminal: its tools, its screen, its input.
import type { RefObject } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { bytes, t } from '../i18n/index.ts';
import { Trouble, useEvery } from '../parts/ui.tsx';
import { allows } from '../state/access.ts';
import { closeDesk, type Desk } from '../state/desks.ts';
import { reasonWords } from '../state/failures.ts';
import { endpoints, link } from '../state/gateway.ts';
import { stateWord } from '../views/endpoints.tsx';
import { DeadmanBar } from './deadman_bar.tsx';
import { DeskTools, More, type Tool } from './desk_tools.tsx';
import { LateTool } from './late_tool.tsx';
import { LeaseBar } from './lease_bar.tsx';
import { LineControl } from './line_control.tsx';
import { LineInput } from './line_input.tsx';
import { Macros } from './macros.tsx';
import { NoiseBar } from './noise_bar.tsx';
import type { Screen } from './screen.ts';
import { ScreenView } from './screen_view.tsx';
import { SearchBar } from './search_bar.tsx';
import { StopBar } from './stop_bar.tsx';

/** `hidden`: another terminal is in front of it. `shown`: nothing is, and no other view. */
export function DeskPanel({ desk, hidden, shown }: { desk: Desk; hidden: boolean; shown: boolean }) {
  const root = useRef<HTMLElement>(null);
  return (
    <article
      ref={root}
      class="desk"
      id={`panel-${desk.name}`}
      data-name={desk.name}
      data-state={desk.state.value}
      hidden={hidden}
      aria-label={desk.name}
    >
      {desk.isMedia.value ? (
        <>
          <DeskHeader desk={desk} screen={null} />
          <LateTool name="MediaPanel" desk={desk} />
        </>
      ) : (
        <Terminal desk={desk} shown={shown} root={root} />
      )}
    </article>
  );
}

function Terminal({
  desk,
  shown,
  root,
}: {
  desk: Desk;
  shown: boolean;
  root: RefObject<HTMLElement | null>;
}) {
  const [screen, setScreen] = useState<Screen | null>(null);
  const [open, setOpen] = useState<Tool | null>(null);
  const habits = desk.habits.value;
  const endpoint = endpoints.value.get(desk.name);
  // What was sent before the screen's code had arrived is shown as soon as there is a screen.
  const early = useRef<string[]>([]);
  const print = (text: string) => {
    if (screen) screen.print(text);
    else early.current.push(text);
  };
  const echoed = (text: string) => {
    if (habits.echo && habits.mode === 'text') print(`\x1b[36m${text}\x1b[0m\r\n`);
  };
  const dropped = (text: string) => print(`\x1b[7m ${t('input.not-sent', { text })} \x1b[0m\r\n`);
  const begin = (made: Screen | null) => {
    setScreen(made);
    if (made) for (const echo of early.current.splice(0)) made.print(echo);
  };
  return (
    <>
      <DeskHeader desk={desk} screen={screen} />
      <DeskTools desk={desk} screen={screen} open={open} setOpen={setOpen} />
      {open === 'search' && screen && <SearchBar screen={screen} onClose={() => setOpen(null)} />}
      {open === 'line' && <LineControl desk={desk} />}
      {desk.hasFilePanel.value && <LateTool name="FilePanel" desk={desk} />}
      {open === 'macros' && <LateTool name="MacroEditor" desk={desk} />}
      {open === 'more' && <More desk={desk} screen={screen} setOpen={setOpen} />}
      {screen && (
        <NoiseBar
          noise={screen.noise}
          isSerial={endpoint?.kind === 'serial'}
          onLine={open === 'line' ? null : () => setOpen('line')}
        />
      )}
      <StopBar endpoint={desk.name} />
      <LeaseBar desk={desk} />
      <DeadmanBar desk={desk} shown={shown} />
      <ScreenView
        desk={desk}
        onScreen={begin}
        onLeave={() => root.current?.querySelector<HTMLElement>('.tools button')?.focus()}
        onWrite={() => root.current?.querySelector<HTMLElement>('input.line')?.focus()}
      />
      <Trouble
        words={desk.trouble.value?.() ?? null}
        onDismiss={() => {
          desk.trouble.value = null;
        }}
      />
      <Input desk={desk} onSent={echoed} onDropped={dropped} />
      {desk.waiting.value > 0 && (
        <p class="hint bar" role="status">
          {t('desk.waiting', { bytes: bytes(desk.waiting.value) })}
        </p>
      )}
      {endpoint?.state === 'failed' && <Trouble words={reasonWords('device-failed')} />}
    </>
  );
}

function DeskHeader({ desk, screen }: { desk: Desk; screen: Screen | null }) {
  return (
    <header class="bar">
      <span class="dot" data-state={endpoints.value.get(desk.name)?.state} aria-hidden="true" />
      <h2>{desk.name}</h2>
      <span class="state grow" role="status">
        {statusWords(desk)}
      </span>
      {!desk.isMedia.value && <Count desk={desk} screen={screen} />}
      {desk.state.value === 'closed' && !desk.isUnknown.value && (
        <button
          type="button"
          class="small primary"
          disabled={link.value !== 'connected'}
          onClick={() => void desk.open()}
        >
          {t('desk.again')}
        </button>
      )}
      <button
        type="button"
        class="small quiet close"
        aria-label={t('desk.close', { name: desk.name })}
        onClick={() => closeDesk(desk)}
      >
        ✕
      </button>
    </header>
  );
}

/** Its own line: only what has changed is said aloud. */
function statusWords(desk: Desk): string {
  if (desk.isUnknown.value) return t('desk.unknown');
  const endpoint = endpoints.value.get(desk.name);
  const state = desk.state.value;
  // The panel says more.
  if (desk.isMedia.value) return endpoint ? stateWord(endpoint.state) : t('desk.unknown');
  if (!endpoint || endpoint.state === 'open' || state !== 'open') return t(`desk.${state}`);
  return t('desk.device', { state: stateWord(endpoint.state) }) + (endpoint.detail && ` ${endpoint.detail}`);
}

interface Echoes {
  onSent: (text: string) => void;
  onDropped: (text: string) => void;
}

/** Below the screen: a person's buttons, and the line to write in if keys do not go to the screen. */
function Input({ desk, onSent, onDropped }: { desk: Desk } & Echoes) {
  if (!allows(desk.name, 'write')) return <p class="hint bar">{t('desk.read-only')}</p>;
  const disabled = desk.state.value !== 'open';
  return (
    <>
      <Macros desk={desk} onSent={onSent} disabled={disabled} />
      {desk.habits.value.input === 'line' ? (
        <LineInput desk={desk} onSent={onSent} onDropped={onDropped} disabled={disabled} />
      ) : (
        <p class="hint bar">{t('input.keys-hint')}</p>
      )}
    </>
  );
}

/** Bytes each way, four times a second. */
function Count({ desk, screen }: { desk: Desk; screen: Screen | null }) {
  const [{ received, sent, skipped }, setCount] = useState({ received: 0, sent: 0, skipped: 0 });
  useEvery(
    250,
    () =>
      setCount((old) => {
        const now = { received: desk.received, sent: desk.sent, skipped: screen?.skipped ?? 0 };
        return old.received === now.received && old.sent === now.sent && old.skipped === now.skipped
          ? old
          : now;
      }),
    [desk, screen],
  );
  return (
    <>
      {skipped > 0 && (
        <span class="hint" title={t('desk.skipped', { size: bytes(skipped), save: t('save') })}>
          {t('desk.not-shown', { size: bytes(skipped) })}
        </span>
      )}
      <span
        class="count hint"
        role="img"
        aria-label={t('desk.count', { received: bytes(received), sent: bytes(sent) })}
      >
        ↓ {bytes(received)} ↑ {bytes(sent)}
      </span>
    </>
  );
}
