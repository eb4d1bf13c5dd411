// Adds, changes and removes the buttons beside a terminal. Each change holds at once.
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { Field } from '../parts/ui.tsx';
import type { Desk, Macro } from '../state/desks.ts';

export function MacroEditor({ desk }: { desk: Desk }) {
  const { list } = desk.macros.value;
  const editor = useRef<HTMLElement>(null);
  // The newest is in sight.
  useEffect(() => {
    editor.current?.scrollTo({ top: editor.current.scrollHeight });
  }, [list.length]);
  const set = (changed: readonly Macro[]) => {
    desk.macros.value = { list: changed };
  };
  return (
    <section ref={editor} class="card macro-editor" aria-label={t('macros.edit', { name: desk.name })}>
      {list.map((macro, at) => (
        <div key={at} class="row">
          <Field label={t('macros.label')}>
            <input
              maxLength={40}
              value={macro.label}
              onInput={(event) => set(list.with(at, { ...macro, label: event.currentTarget.value }))}
            />
          </Field>
          <Field label={t('macros.text')} class="grow">
            <input
              class="mono"
              maxLength={1000}
              value={macro.text}
              spellcheck={false}
              autocapitalize="off"
              onInput={(event) => set(list.with(at, { ...macro, text: event.currentTarget.value }))}
            />
          </Field>
          <button
            type="button"
            class="quiet"
            aria-label={t('macros.remove', { label: macro.label || macro.text || String(at + 1) })}
            onClick={() => set(list.filter((_, other) => other !== at))}
          >
            ✕
          </button>
        </div>
      ))}
      <div class="bar">
        <button type="button" class="small" onClick={() => set([...list, { label: '', text: '' }])}>
          {t('macros.add')}
        </button>
        <p class="hint grow">{t('macros.hint')}</p>
      </div>
    </section>
  );
}
