// Live plots: the round trip to the gateway, bytes per second, and the numbers that devices print.
import { bytes, number, t } from '../i18n/index.ts';
import { Chart } from '../plots/chart.tsx';
import { Values } from '../plots/values.tsx';
import { ticks, watched } from '../plots/samples.ts';
import { roundTrips } from '../state/gateway.ts';

export default function Plots() {
  const tick = ticks.value;
  const trips = roundTrips.value;
  const rate = (value: number) => t('plots.per-second', { bytes: bytes(Math.round(value)) });
  return (
    <div class="stack">
      <h2>{t('plots')}</h2>
      <div class="charts">
        <Chart
          title={t('plots.round-trip')}
          tick={trips.length ? trips.at(-1)!.at : 0}
          format={(value) => `${number(value, 1)} ms`}
          curves={[
            {
              name: t('plots.round-trip-curve'),
              at: trips.map(({ at }) => at / 1000),
              values: trips.map(({ value }) => value),
            },
          ]}
        />
        {[...watched].map(([desk, { rates, numbers }]) => [
          <Chart
            key={`${desk.name} rate`}
            title={t('plots.throughput', { name: desk.name })}
            tick={tick}
            format={rate}
            curves={[
              { name: t('plots.received'), at: rates.at, values: rates.received },
              { name: t('plots.sent'), at: rates.at, values: rates.sent },
            ]}
          />,
          <Values key={`${desk.name} values`} endpoint={desk.name} numbers={numbers} tick={tick} />,
        ])}
      </div>
      <p class="hint">{t(watched.size ? 'plots.values-hint' : 'plots.none')}</p>
    </div>
  );
}
