// One endpoint's terminal: its tools, its screen, its input.
import { useRef, useState } from 'preact/hooks';
import { bytes, t } from '../i18n/index.ts';
import { download } from '../parts/download.ts';
import { Scroller } from '../parts/scroller.tsx';
import { Check, Choice, Trouble, useEvery } from '../parts/ui.tsx';
import { allows } from '../state/access.ts';
import { closeDesk, type Desk, type Habits } from '../state/desks.ts';
import { reasonWords } from '../state/failures.ts';
import { endpoints, link } from '../state/gateway.ts';
import { raisesKeyboard } from '../state/settings.ts';
import { stateWord } from '../views/endpoints.tsx';
import { DeadmanBar } from './deadman_bar.tsx';
import { LateTool } from './late_tool.tsx';
import { LeaseBar } from './lease_bar.tsx';
import { LineControl } from './line_control.tsx';
import { endingOptions, LineInput } from './line_input.tsx';
import { Macros } from './macros.tsx';
import { NoiseBar } from './noise_bar.tsx';
import { scrollback } from './preferences.ts';
import type { Screen } from './screen.ts';
import { ScreenView } from './screen_view.tsx';
import { SearchBar } from './search_bar.tsx';
import { StopBar } from './stop_bar.tsx';

/** `hidden`: another terminal is in front of it. `shown`: nothing is, and no other view. */
export function DeskPanel({ desk, hidden, shown }: { desk: Desk; hidden: boolean; shown: boolean }) {
  const [screen, setScreen] = useState<Screen | null>(null);
  const [open, setOpen] = useState<'search' | 'line' | 'macros' | 'more' | null>(null);
  const root = useRef<HTMLElement>(null);
  const habits = desk.habits.value;
  const set = (change: Partial<Habits>) => {
    desk.habits.value = { ...habits, ...change };
  };
  const toggle = (what: typeof open) => setOpen(open === what ? null : what);
  const endpoint = endpoints.value.get(desk.name);
  const state = desk.state.value;
  const mayWrite = allows(desk.name, 'write');
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
  // Its own line: only what has changed is said aloud.
  const status = desk.isUnknown.value
    ? t('desk.unknown')
    : endpoint && endpoint.state !== 'open' && state === 'open'
      ? t('desk.device', { state: stateWord(endpoint.state) }) + (endpoint.detail && ` ${endpoint.detail}`)
      : t(`desk.${state}`);
  return (
    <article
      ref={root}
      class="desk"
      id={`panel-${desk.name}`}
      data-name={desk.name}
      data-state={state}
      hidden={hidden}
      aria-label={desk.name}
    >
      <header class="bar">
        <span class="dot" data-state={endpoint?.state} aria-hidden="true" />
        <h2>{desk.name}</h2>
        <span class="state grow" role="status">
          {status}
        </span>
        <Count desk={desk} screen={screen} />
        {state === 'closed' && !desk.isUnknown.value && (
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
      <Scroller class="bar tools" role="toolbar" label={t('desk.tools', { name: desk.name })}>
        <div class="segments" role="group" aria-label={t('view')}>
          <button
            type="button"
            class="small"
            aria-pressed={habits.mode === 'text'}
            onClick={() => set({ mode: 'text' })}
          >
            {t('view.text')}
          </button>
          <button
            type="button"
            class="small"
            aria-pressed={habits.mode === 'hex'}
            onClick={() => set({ mode: 'hex' })}
          >
            {t('view.hex')}
          </button>
        </div>
        <button
          type="button"
          class="small"
          aria-pressed={habits.stamps}
          onClick={() => set({ stamps: !habits.stamps })}
        >
          {t('view.stamps')}
        </button>
        <button
          type="button"
          class="small"
          aria-expanded={open === 'search'}
          onClick={() => toggle('search')}
        >
          {t('search')}
        </button>
        <button type="button" class="small" onClick={() => download(desk.record.blob(), desk.name, 'log')}>
          {t('save')}
        </button>
        {endpoint?.kind === 'serial' && (
          <button type="button" class="small" aria-expanded={open === 'line'} onClick={() => toggle('line')}>
            {t('line')}
          </button>
        )}
        {mayWrite && (
          <button
            type="button"
            class="small"
            aria-expanded={desk.hasFilePanel.value}
            disabled={desk.sending.value}
            onClick={() => {
              desk.hasFilePanel.value = !desk.hasFilePanel.value;
            }}
          >
            {t('file')}
          </button>
        )}
        {mayWrite && (
          <button
            type="button"
            class="small"
            aria-expanded={open === 'macros'}
            onClick={() => toggle('macros')}
          >
            {t('macros')}
          </button>
        )}
        <button type="button" class="small" aria-expanded={open === 'more'} onClick={() => toggle('more')}>
          {t('more')}
        </button>
        <div class="segments" role="group" aria-label={t('input')}>
          <button
            type="button"
            class="small"
            aria-pressed={habits.input === 'line'}
            onClick={() => set({ input: 'line' })}
          >
            {t('input.lines')}
          </button>
          <button
            type="button"
            class="small"
            aria-pressed={habits.input === 'keys'}
            onClick={() => {
              set({ input: 'keys' });
              if (!raisesKeyboard()) screen?.terminal.focus();
            }}
          >
            {t('input.keys')}
          </button>
        </div>
      </Scroller>
      {open === 'search' && screen && <SearchBar screen={screen} onClose={() => setOpen(null)} />}
      {open === 'line' && <LineControl desk={desk} />}
      {desk.hasFilePanel.value && <LateTool name="FilePanel" desk={desk} />}
      {open === 'macros' && <LateTool name="MacroEditor" desk={desk} />}
      {open === 'more' && (
        <section class="card bar" aria-label={t('more')}>
          <Check
            label={t('view.returns')}
            checked={habits.returns}
            onChange={(returns) => set({ returns })}
          />
          <Check label={t('input.echo')} checked={habits.echo} onChange={(echo) => set({ echo })} />
          <Check
            label={t('view.reader')}
            checked={screen?.terminal.options.screenReaderMode ?? false}
            onChange={(on) => {
              if (screen) screen.terminal.options.screenReaderMode = on;
              setOpen('more');
            }}
          />
          <Choice
            label={t('view.scrollback')}
            value={String(scrollback.value)}
            options={['1000', '5000', '20000', '100000'].map((lines) => [lines, lines] as const)}
            onChange={(lines) => {
              scrollback.value = Number(lines);
            }}
          />
          <Choice
            label={t('input.enter')}
            value={habits.enter}
            options={endingOptions().filter(([ending]) => ending !== 'none')}
            onChange={(enter) => set({ enter })}
          />
          <button
            type="button"
            class="small"
            onClick={() => {
              desk.record.clear();
              screen?.terminal.reset();
            }}
          >
            {t('clear')}
          </button>
        </section>
      )}
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
      {mayWrite && <Macros desk={desk} onSent={echoed} disabled={state !== 'open'} />}
      {!mayWrite ? (
        <p class="hint bar">{t('desk.read-only')}</p>
      ) : habits.input === 'line' ? (
        <LineInput desk={desk} onSent={echoed} onDropped={dropped} disabled={state !== 'open'} />
      ) : (
        <p class="hint bar">{t('input.keys-hint')}</p>
      )}
      {desk.waiting.value > 0 && (
        <p class="hint bar" role="status">
          {t('desk.waiting', { bytes: bytes(desk.waiting.value) })}
        </p>
      )}
      {endpoint?.state === 'failed' && <Trouble words={reasonWords('device-failed')} />}
    </article>
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
