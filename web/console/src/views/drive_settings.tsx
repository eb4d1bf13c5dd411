// What driving sends: the rate, the messages, and the keys with messages of their own.
import { t } from '../i18n/index.ts';
import { Field } from '../parts/ui.tsx';
import { driving, plan, type Plan } from '../drive/drive.ts';

/** Can be changed while nothing is driven. */
export function DriveSettings() {
  const { rate, message, stop, keys } = plan.value;
  return (
    <fieldset disabled={driving.value !== 'no'}>
      <legend class="visually-hidden">{t('drive.settings')}</legend>
      <div class="row">
        <Field label={t('drive.rate')}>
          <input
            class="short"
            type="number"
            min="1"
            max="100"
            value={rate}
            onChange={(event) =>
              set({ rate: Math.min(100, Math.max(1, Number(event.currentTarget.value) || 20)) })
            }
          />
        </Field>
      </div>
      <Field label={t('drive.message')}>
        <input
          class="mono"
          name="message"
          value={message}
          spellcheck={false}
          autocapitalize="off"
          onInput={(event) => set({ message: event.currentTarget.value })}
        />
      </Field>
      <p class="hint">{t('drive.message-hint')}</p>
      <Field label={t('drive.stop-message')}>
        <input
          class="mono"
          name="stop"
          value={stop}
          spellcheck={false}
          autocapitalize="off"
          onInput={(event) => set({ stop: event.currentTarget.value })}
        />
      </Field>
      <h3>{t('drive.keys')}</h3>
      {keys.map((own, i) => (
        <KeyRow
          key={i}
          own={own}
          set={(changed) => set({ keys: keys.with(i, changed) })}
          remove={() => set({ keys: keys.filter((_, other) => other !== i) })}
        />
      ))}
      <button
        type="button"
        class="small"
        onClick={() => set({ keys: [...keys, { key: 'h', message: 'horn\\n' }] })}
      >
        {t('drive.key-add')}
      </button>
    </fieldset>
  );
}

type Key = Plan['keys'][number];

function KeyRow({ own, set, remove }: { own: Key; set: (own: Key) => void; remove: () => void }) {
  return (
    <div class="row key">
      <Field label={t('drive.key')}>
        <input
          class="short mono"
          maxLength={12}
          value={own.key}
          onInput={(event) => set({ ...own, key: event.currentTarget.value })}
        />
      </Field>
      <Field label={t('drive.key-message')} class="grow">
        <input
          class="mono"
          value={own.message}
          spellcheck={false}
          onInput={(event) => set({ ...own, message: event.currentTarget.value })}
        />
      </Field>
      <button
        type="button"
        class="quiet"
        aria-label={t('drive.key-remove', { key: own.key })}
        onClick={remove}
      >
        ✕
      </button>
    </div>
  );
}

function set(change: Partial<Plan>): void {
  plan.value = { ...plan.value, ...change };
}
