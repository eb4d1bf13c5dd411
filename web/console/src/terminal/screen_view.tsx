// A desk's screen in the page: what the device says goes in, what is typed goes out in key mode.
import { effect } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { ENDINGS, type Desk } from '../state/desks.ts';
import { calm } from '../state/gateway.ts';
import { late } from '../state/late.ts';
import { dark } from '../state/settings.ts';
import { listen } from './outgoing.ts';
import { scrollback } from './preferences.ts';
import type { Screen } from './screen.ts';
import { showEarly } from './early.ts';
import { palettes } from './theme.ts';

const LATER = 250; // ms after there is a session: what was opened at once is open by then

/**
 * The largest part of the page. It comes when nothing waits for it; until then a terminal shows plain text.
 */
const screens = calm.then(() => new Promise((done) => setTimeout(done, LATER))).then(() => late('screen'));

/** Keys that write, or paste. */
const writes = ({ key, ctrlKey, metaKey, altKey }: KeyboardEvent): boolean =>
  ctrlKey || metaKey ? key.toLowerCase() === 'v' : key.length === 1 && !altKey;

export function ScreenView({
  desk,
  onScreen,
  onLeave,
  onWrite,
}: {
  desk: Desk;
  onScreen: (screen: Screen | null) => void;
  onLeave: () => void;
  /** A person types on the screen although lines are written in the field below it. */
  onWrite: () => void;
}) {
  const place = useRef<HTMLDivElement>(null);
  // Not after the page was painted for the first time: what the device has said is on that picture.
  useLayoutEffect(() => {
    let left = false;
    let leave = showEarly(place.current!, desk);
    void screens.then((made) => {
      if (left) return;
      leave();
      leave = open(made);
    });
    return () => {
      left = true;
      leave();
    };
  }, [desk]);
  const open = ({ Screen }: typeof import('./screen.ts')) => {
    const habits = desk.habits;
    const screen = new Screen(
      habits.peek(),
      palettes[dark.peek() ? 'dark' : 'light'],
      scrollback.peek(),
      t('terminal.screen', { name: desk.name }),
      (bytes) => desk.record.last(bytes),
    );
    screen.mount(place.current!);
    const { terminal } = screen;
    listen(terminal, (message, byPerson) => {
      const { input, enter } = habits.peek();
      if (input !== 'keys') return;
      // Mouse reports go to the device only while the terminal has the keyboard focus.
      if (!document.hasFocus() || !terminal.element?.contains(document.activeElement)) return;
      if (byPerson)
        desk.send(typeof message === 'string' ? message.replace(/\r/g, ENDINGS[enter] || '\r') : message);
      else if (!screen.repeats) desk.answer(message);
    });
    terminal.attachCustomKeyEventHandler((event) => {
      if (event.key === 'F6') {
        // the way out for who has no mouse: Tab belongs to the device
        if (event.type === 'keydown') onLeave();
        event.preventDefault();
        return false;
      }
      if (habits.peek().input === 'keys') return true;
      if (!writes(event)) return event.key !== 'Tab';
      // The terminal leaves the key to what has the focus then.
      if (event.type === 'keydown') onWrite();
      return false;
    });
    const detach = desk.attach(screen);
    let look = '';
    const returned = desk.returns.peek();
    const stop = [
      effect(() => {
        const { mode, stamps, returns } = habits.value;
        terminal.options.convertEol = returns;
        const now = JSON.stringify([mode, stamps, returns]);
        // The first time it shows what came while there was no screen.
        if (now !== look) screen.show({ mode, stamps });
        look = now;
      }),
      desk.returns.subscribe((times) => {
        if (times > returned) screen.print(`\r\n\x1b[7m ${t('desk.back')} \x1b[0m\r\n`);
      }),
      effect(() => {
        terminal.options.disableStdin = habits.value.input !== 'keys';
      }),
      effect(() => {
        terminal.options.theme = palettes[dark.value ? 'dark' : 'light'];
      }),
      effect(() => {
        terminal.options.scrollback = scrollback.value;
      }),
      effect(() => {
        terminal.textarea?.setAttribute('aria-label', t('terminal.screen', { name: desk.name }));
      }),
    ];
    onScreen(screen);
    return () => {
      for (const end of stop) end();
      detach();
      onScreen(null);
      screen.dispose();
    };
  };
  return <div class="screen" ref={place} />;
}
