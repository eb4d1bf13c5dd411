// A line that is written whole before it is sent, with those sent before.
import type { TargetedClipboardEvent } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { Choice } from '../parts/ui.tsx';
import { ENDINGS, type Desk, type Ending } from '../state/desks.ts';
import { raisesKeyboard } from '../state/settings.ts';
import { linesOf, Pasted } from './pasted.tsx';

export const endingOptions = (): (readonly [Ending, string])[] => [
  ['none', t('ending.none')],
  ['lf', 'LF'],
  ['cr', 'CR'],
  ['crlf', 'CRLF'],
];

const FRESH = 5000; // ms: the gateway tells about what it has dropped within a second or two

export function LineInput({
  desk,
  onSent,
  onDropped,
  disabled,
}: {
  desk: Desk;
  onSent: (text: string) => void;
  onDropped: (text: string) => void;
  disabled: boolean;
}) {
  const [text, setText] = useState('');
  const [pasted, setPasted] = useState<readonly string[] | null>(null);
  const line = useRef<HTMLInputElement>(null);
  // A person who looks at a terminal wants to type, unless the focus is somewhere else already.
  useLayoutEffect(() => {
    const next = requestAnimationFrame(() => {
      const isFree = document.activeElement === null || document.activeElement === document.body;
      if (isFree && line.current?.checkVisibility() && !raisesKeyboard())
        line.current.focus({ preventScroll: true });
    });
    return () => cancelAnimationFrame(next);
  }, [pasted]);
  // 0 is the line being written, 1 the last one sent
  const place = useRef<{ at: number; draft: string }>({ at: 0, draft: '' });
  // A line that was on its way when the gateway would not have it any more: it comes back, and the screen
  // says that it was not sent.
  const last = useRef<{ text: string; at: number } | null>(null);
  const drops = desk.dropped.value;
  useEffect(() => {
    const lost = last.current;
    last.current = null;
    if (!lost || performance.now() - lost.at > FRESH) return;
    onDropped(lost.text);
    setText((written) => written || lost.text);
  }, [drops]);
  const send = () => {
    const { ending } = desk.habits.value;
    const whole = text + ENDINGS[ending];
    if (!whole) {
      desk.fail(() => ({ what: t('input.nothing'), todo: t('try.nothing') }));
      return;
    }
    if (!desk.send(whole)) return;
    desk.remember(text);
    last.current = { text, at: performance.now() };
    onSent(text);
    place.current = { at: 0, draft: '' };
    setText('');
  };
  const keys = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowUp' ? 1 : event.key === 'ArrowDown' ? -1 : 0;
    if (!step) return;
    event.preventDefault();
    const { at, draft } = place.current;
    const to = Math.min(Math.max(at + step, 0), desk.history.length);
    if (to === at) return;
    place.current = { at: to, draft: at === 0 ? text : draft };
    setText(to === 0 ? place.current.draft : desk.history[desk.history.length - to]!);
  };
  // The element would make one line of several, with spaces between the commands.
  const paste = (event: TargetedClipboardEvent<HTMLInputElement>) => {
    const { value, selectionStart, selectionEnd } = event.currentTarget;
    const whole =
      value.slice(0, selectionStart ?? value.length)
      + (event.clipboardData?.getData('text/plain') ?? '')
      + value.slice(selectionEnd ?? value.length);
    if (!/[\r\n]/.test(whole)) return;
    event.preventDefault();
    const lines = linesOf(whole);
    if (lines.length > 1) setPasted(lines);
    setText(lines.length > 1 ? '' : (lines[0] ?? ''));
  };
  if (pasted)
    return (
      <Pasted desk={desk} lines={pasted} onSent={onSent} onDone={() => setPasted(null)} disabled={disabled} />
    );
  return (
    <form
      class="bar input"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label class="field grow">
        <span>{t('input.text')}</span>
        <input
          ref={line}
          class="mono line"
          value={text}
          maxLength={4000}
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          enterkeyhint="send"
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={keys}
          onPaste={paste}
        />
      </label>
      <Choice
        label={t('input.ending')}
        value={desk.habits.value.ending}
        options={endingOptions()}
        onChange={(ending) => {
          desk.habits.value = { ...desk.habits.value, ending };
        }}
      />
      <button type="submit" class="primary" disabled={disabled}>
        {t('input.send')}
      </button>
    </form>
  );
}
