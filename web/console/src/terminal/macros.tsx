// Buttons with a person's own texts, beside the terminal of the endpoint for which they were made.
import { t } from '../i18n/index.ts';
import { Scroller } from '../parts/scroller.tsx';
import { ENDINGS, type Desk } from '../state/desks.ts';
import { bytesOfEscaped } from './escapes.ts';

export function Macros({
  desk,
  onSent,
  disabled,
}: {
  desk: Desk;
  onSent: (text: string) => void;
  disabled: boolean;
}) {
  const list = desk.macros.value.list.filter(({ text }) => text);
  if (!list.length) return null;
  const send = (text: string) => {
    if (desk.send(bytesOfEscaped(text + ENDINGS[desk.habits.peek().ending]))) onSent(text);
  };
  return (
    <Scroller class="bar macros" role="group" label={t('macros.of', { name: desk.name })}>
      {list.map(({ label, text }, at) => (
        <button
          key={at}
          type="button"
          class="small"
          title={text}
          disabled={disabled}
          onClick={() => send(text)}
        >
          {label || text}
        </button>
      ))}
    </Scroller>
  );
}
