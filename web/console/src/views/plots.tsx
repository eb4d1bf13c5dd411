// Live plots: the round trip to the gateway, bytes per second, and the numbers that devices print.
import { bytes, number, t } from '../i18n/index.ts';
import { Chart, plain, type Curve } from '../plots/chart.tsx';
import type { Numbers } from '../plots/numbers.ts';
import { ticks, watched } from '../plots/samples.ts';
import { roundTrips } from '../state/gateway.ts';

/** One number alone is no curve, and most often no value: `RAM: 1 GiB`. */
const values = ({ series }: Numbers): Curve[] => [...series].filter(([, { at }]) => at.length > 1).map(([name, { at, values: all }]) => ({ name, at, values: all }));

export default function Plots() {
  const tick = ticks.value;
  const trips = roundTrips.value;
  const rate = (value: number) => t('plots.per-second', { bytes: bytes(Math.round(value)) });
  return (
    <div class="stack">
      <h2>{t('plots')}</h2>
      <div class="charts">
        <Chart title={t('plots.round-trip')} tick={trips.length ? trips.at(-1)!.at : 0} format={(value) => `${number(value, 1)} ms`}
          curves={[{ name: t('plots.round-trip-curve'), at: trips.map(({ at }) => at / 1000), values: trips.map(({ value }) => value) }]} />
        {[...watched].map(([desk, { rates, numbers }]) => [
          <Chart key={`${desk.name} rate`} title={t('plots.throughput', { name: desk.name })} tick={tick} format={rate}
            curves={[{ name: t('plots.received'), at: rates.at, values: rates.received }, { name: t('plots.sent'), at: rates.at, values: rates.sent }]} />,
          values(numbers).length > 0 && <Chart key={`${desk.name} values`} title={t('plots.values', { name: desk.name })} tick={tick} format={plain} curves={values(numbers)} />,
        ])}
      </div>
      <p class="hint">{t(watched.size ? 'plots.values-hint' : 'plots.none')}</p>
    </div>
  );
}
