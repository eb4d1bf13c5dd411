// The few pieces that all views share.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import type { Words } from '../state/failures.ts';

/** What went wrong and what to try, where it went wrong. Said aloud by a screen reader. */
export function Trouble({ words, onDismiss }: { words: Words | null; onDismiss?: () => void }) {
  return (
    <div class="trouble" role="status">
      {words && (
        <>
          <p>
            <b>{words.what}</b> {words.todo}
          </p>
          {onDismiss && (
            <button type="button" class="quiet" aria-label={t('dismiss')} onClick={onDismiss}>
              ✕
            </button>
          )}
        </>
      )}
    </div>
  );
}

export function Field({
  label,
  children,
  class: name = '',
}: {
  label: string;
  children: ComponentChildren;
  class?: string;
}) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is among the children
    <label class={`field ${name}`}>
      <span>{label}</span>
      {children}
    </label>
  );
}

export function Check({
  label,
  checked,
  onChange,
  disabled = false,
}: {
  label: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
  disabled?: boolean;
}) {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={checked}
        disabled={disabled}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      <span>{label}</span>
    </label>
  );
}

/** `options`: pairs of value and label. */
export function Choice<T extends string>({
  value,
  options,
  onChange,
  label,
  disabled = false,
}: {
  value: T;
  options: readonly (readonly [T, string])[];
  onChange: (value: T) => void;
  label: string;
  disabled?: boolean;
}) {
  return (
    <Field label={label}>
      <select
        value={value}
        disabled={disabled}
        onChange={(event) => onChange(event.currentTarget.value as T)}
      >
        {options.map(([option, text]) => (
          <option key={option} value={option} selected={option === value}>
            {text}
          </option>
        ))}
      </select>
    </Field>
  );
}

/** Text that is to be taken elsewhere: a configuration, a token, a link. */
export function Copyable({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return (
    <div class="copyable">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a text that scrolls must be reached by the keyboard */}
      <pre tabIndex={0} role="group" aria-label={label}>
        {text}
      </pre>
      {/* Only a secure context has a clipboard; elsewhere the text can be marked by hand. */}
      {navigator.clipboard && (
        <button type="button" onClick={() => void copy()}>
          <span aria-live="polite">{t(copied ? 'copied' : 'copy')}</span>
        </button>
      )}
    </div>
  );
}

/** Runs at once and every `period` ms while the view is there. */
export function useEvery(period: number, run: () => void, inputs: readonly unknown[] = []): void {
  useEffect(() => {
    run();
    const timer = setInterval(run, period);
    return () => clearInterval(timer);
  }, [period, ...inputs]);
}

/** One asynchronous thing at a time, and the words of its failure. */
export function useTask(): {
  busy: boolean;
  trouble: unknown;
  run: (task: () => Promise<void>) => void;
  settle: () => void;
} {
  const [state, setState] = useState<{ busy: boolean; trouble: unknown }>({ busy: false, trouble: null });
  return {
    ...state,
    settle: () => setState({ busy: false, trouble: null }),
    run: (task) => {
      setState({ busy: true, trouble: null });
      task().then(
        () => setState({ busy: false, trouble: null }),
        (trouble: unknown) => setState({ busy: false, trouble }),
      );
    },
  };
}
