// The tools above a terminal: how it looks, what is open beside it, and how a person writes to it.
import { t } from '../i18n/index.ts';
import { download } from '../parts/download.ts';
import { Scroller } from '../parts/scroller.tsx';
import { Check, Choice } from '../parts/ui.tsx';
import { allows } from '../state/access.ts';
import type { Desk, Habits } from '../state/desks.ts';
import { endpoints } from '../state/gateway.ts';
import { raisesKeyboard } from '../state/settings.ts';
import { endingOptions } from './line_input.tsx';
import { scrollback } from './preferences.ts';
import type { Screen } from './screen.ts';

/** What can be open beside a terminal, one at a time. */
export type Tool = 'search' | 'line' | 'macros' | 'more';

interface Tools {
  desk: Desk;
  screen: Screen | null;
  open: Tool | null;
  setOpen: (tool: Tool | null) => void;
}

export function DeskTools({ desk, screen, open, setOpen }: Tools) {
  const habits = desk.habits.value;
  const set = (change: Partial<Habits>) => {
    desk.habits.value = { ...habits, ...change };
  };
  const mayWrite = allows(desk.name, 'write');
  const toggle = (tool: Tool, label: string) => (
    <button
      type="button"
      class="small"
      aria-expanded={open === tool}
      onClick={() => setOpen(open === tool ? null : tool)}
    >
      {label}
    </button>
  );
  const choice = (isChosen: boolean, label: string, choose: () => void) => (
    <button type="button" class="small" aria-pressed={isChosen} onClick={choose}>
      {label}
    </button>
  );
  return (
    <Scroller class="bar tools" role="toolbar" label={t('desk.tools', { name: desk.name })}>
      <div class="segments" role="group" aria-label={t('view')}>
        {choice(habits.mode === 'text', t('view.text'), () => set({ mode: 'text' }))}
        {choice(habits.mode === 'hex', t('view.hex'), () => set({ mode: 'hex' }))}
      </div>
      {choice(habits.stamps, t('view.stamps'), () => set({ stamps: !habits.stamps }))}
      {toggle('search', t('search'))}
      <button type="button" class="small" onClick={() => download(desk.record.blob(), desk.name, 'log')}>
        {t('save')}
      </button>
      {endpoints.value.get(desk.name)?.kind === 'serial' && toggle('line', t('line'))}
      {mayWrite && <FileButton desk={desk} />}
      {mayWrite && toggle('macros', t('macros'))}
      {toggle('more', t('more'))}
      <div class="segments" role="group" aria-label={t('input')}>
        {choice(habits.input === 'line', t('input.lines'), () => set({ input: 'line' }))}
        {choice(habits.input === 'keys', t('input.keys'), () => {
          set({ input: 'keys' });
          if (!raisesKeyboard()) screen?.terminal.focus();
        })}
      </div>
    </Scroller>
  );
}

function FileButton({ desk }: { desk: Desk }) {
  return (
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
  );
}

/** What is set once and rarely again. */
export function More({ desk, screen, setOpen }: Omit<Tools, 'open'>) {
  const habits = desk.habits.value;
  const set = (change: Partial<Habits>) => {
    desk.habits.value = { ...habits, ...change };
  };
  return (
    <section class="card bar" aria-label={t('more')}>
      <Check label={t('view.returns')} checked={habits.returns} onChange={(returns) => set({ returns })} />
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
  );
}
