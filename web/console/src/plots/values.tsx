// The numbers that one device prints: which of them are drawn is a person's choice, and what is drawn can be
// saved.
import type { Signal } from '@preact/signals';
import { t } from '../i18n/index.ts';
import { download } from '../parts/download.ts';
import { Check } from '../parts/ui.tsx';
import { remembered } from '../state/settings.ts';
import { Chart, plain } from './chart.tsx';
import { csv } from './csv.ts';
import type { Field, Numbers } from './numbers.ts';

const CURVES = 8; // colours that can be told apart

/** What a person has chosen or ruled out, by the endpoint. */
const choices = new Map<string, Signal<{ [field: string]: boolean }>>();
function choiceOf(endpoint: string): Signal<{ [field: string]: boolean }> {
  const choice = choices.get(endpoint) ?? remembered<{ [field: string]: boolean }>(`plot.${endpoint}`, {});
  choices.set(endpoint, choice);
  return choice;
}

/** One number alone is no curve, and most often no value: `RAM: 1 GiB`. */
const isCurve = ({ at }: Field) => at.length > 1;

export function Values({ endpoint, numbers, tick }: { endpoint: string; numbers: Numbers; tick: number }) {
  const fields = [...numbers.fields].filter(([, field]) => isCurve(field));
  const choice = choiceOf(endpoint);
  const isOn = ([name, { isPlain }]: [string, Field]) => choice.value[name] ?? isPlain;
  const shown = fields.filter(isOn).slice(0, CURVES);
  if (!fields.length) return null;
  return (
    <div class="values">
      <Chart
        title={t('plots.values', { name: endpoint })}
        tick={tick}
        format={plain}
        curves={shown.map(([name, { at, values }]) => ({ name, at, values }))}
      />
      <div class="bar" role="group" aria-label={t('plots.fields', { name: endpoint })}>
        {fields.map((field) => {
          const [name] = field;
          const isDrawn = shown.includes(field);
          return (
            <Check
              key={name}
              label={name}
              checked={isDrawn}
              disabled={!isDrawn && shown.length === CURVES}
              onChange={(on) => {
                choice.value = { ...choice.value, [name]: on };
              }}
            />
          );
        })}
        <button
          type="button"
          class="small"
          disabled={!shown.length}
          onClick={() => download(new Blob([csv(new Map(shown))], { type: 'text/csv' }), endpoint, 'csv')}
        >
          {t('plots.save')}
        </button>
      </div>
    </div>
  );
}
