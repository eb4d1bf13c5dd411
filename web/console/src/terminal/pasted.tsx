// Several lines that were pasted where one is written: how many there are is shown first, then they are sent
// one by one.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { number, t } from '../i18n/index.ts';
import { ENDINGS, type Desk } from '../state/desks.ts';

// bytes that may wait for the device; the rest waits here, where it can be called back
const AHEAD = 16 << 10;
const LOOK = 50; // ms

/** The lines of a text; a line feed at its end begins none. */
export function linesOf(text: string): string[] {
  const lines = text.split(/\r\n|\r|\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

export function Pasted({
  desk,
  lines,
  onSent,
  onDone,
  disabled,
}: {
  desk: Desk;
  lines: readonly string[];
  onSent: (line: string) => void;
  onDone: () => void;
  disabled: boolean;
}) {
  const [sent, setSent] = useState(0);
  const [sending, setSending] = useState(false);
  const go = useRef<HTMLButtonElement>(null);
  const left = useRef(false);
  useLayoutEffect(() => {
    go.current?.focus();
    return () => {
      left.current = true;
    };
  }, []);
  const send = async () => {
    setSending(true);
    const { ending } = desk.habits.peek();
    for (let at = sent; at < lines.length; at++) {
      while (desk.waiting.peek() > AHEAD && !left.current)
        await new Promise((done) => setTimeout(done, LOOK));
      if (left.current) return;
      const line = lines[at]!;
      const whole = line + ENDINGS[ending];
      // What was refused stays here, with its reason beside it.
      if (whole && !desk.send(whole)) return setSending(false);
      desk.remember(line);
      onSent(line);
      setSent(at + 1);
    }
    onDone();
  };
  return (
    <form
      class="bar input pasted"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onDone();
      }}
    >
      <div class="grow">
        <p role="status">
          {sent
            ? t('input.pasted-sent', { sent: number(sent), all: number(lines.length) })
            : t('input.pasted', { all: number(lines.length) })}
        </p>
        <pre class="mono">
          {[
            ...lines.slice(sent, sent + 2),
            ...(lines.length - sent > 3 ? ['…'] : []),
            ...lines.slice(Math.max(sent + 2, lines.length - 1)),
          ].join('\n')}
        </pre>
      </div>
      <button type="button" onClick={onDone}>
        {t('cancel')}
      </button>
      <button ref={go} type="submit" class="primary" disabled={disabled || sending}>
        {t('input.send-lines')}
      </button>
    </form>
  );
}
