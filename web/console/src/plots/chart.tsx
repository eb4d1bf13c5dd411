// One chart over time. Who does not see it reads the newest values beside it.
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { language, number } from '../i18n/index.ts';
import { dark } from '../state/settings.ts';

export interface Curve {
  name: string;
  at: readonly number[];
  values: readonly (number | null)[];
}
const COLOURS = {
  light: ['#0f766e', '#9333ea', '#b45309', '#1d4ed8', '#be123c', '#4d7c0f', '#0369a1', '#6d28d9'],
  dark: ['#2dd4bf', '#c084fc', '#fbbf24', '#60a5fa', '#fb7185', '#a3e635', '#38bdf8', '#a78bfa'],
};

/** `curves` with axes of times of their own are joined; `tick` changes when they have. */
export function Chart({
  title,
  curves,
  tick,
  format,
}: {
  title: string;
  curves: Curve[];
  tick: number;
  format: (value: number) => string;
}) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const names = curves.map(({ name }) => name).join('\n');
  const shade = dark.value ? 'dark' : 'light';
  useEffect(() => {
    const element = place.current!;
    const style = getComputedStyle(element);
    const [ink, edge] = [style.getPropertyValue('--soft'), style.getPropertyValue('--edge')];
    const axis = {
      stroke: ink,
      grid: { stroke: edge, width: 1 },
      ticks: { stroke: edge, width: 1 },
      font: '12px system-ui, sans-serif',
    };
    const clock = new Intl.DateTimeFormat(language.value, {
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      hourCycle: 'h23',
    });
    const made = (plot.current = new uPlot(
      {
        width: element.clientWidth || 300,
        height: 180,
        padding: [8, 24, 0, 0],
        legend: { show: false },
        cursor: { drag: { x: false, y: false } },
        scales: {
          y: {
            range: (_plot, low, high) => [Math.min(low ?? 0, 0), high > low ? high * 1.05 : (high || 0) + 1],
          },
        },
        axes: [
          { ...axis, space: 90, values: (_plot, times) => times.map((at) => clock.format(at * 1000)) },
          { ...axis, size: 76, values: (_plot, values) => values.map(format) },
        ],
        series: [
          {},
          ...curves.map(({ name }, i) => ({
            label: name,
            stroke: COLOURS[shade][i % 8]!,
            width: 2,
            spanGaps: true,
            points: { show: false },
          })),
        ],
      },
      [[], ...curves.map(() => [])] as unknown as uPlot.AlignedData,
      element,
    ));
    const observer = new ResizeObserver(() => {
      if (element.clientWidth) made.setSize({ width: element.clientWidth, height: 180 });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [names, shade, language.value]);
  useEffect(() => {
    if (!place.current?.offsetParent || !curves.length) return;
    const tables = curves.map(({ at, values }) => [[...at], [...values]] as uPlot.AlignedData);
    plot.current?.setData(tables.length === 1 ? tables[0]! : uPlot.join(tables));
  }, [tick, names, shade, language.value]);
  return (
    <figure class="chart card">
      <figcaption>
        <h3>{title}</h3>
        <ul class="legend">
          {curves.map(({ name, values }, i) => {
            const last = values.findLast((value) => value !== null);
            return (
              <li key={name} data-curve={i % 8}>
                <span class="swatch" aria-hidden="true" />
                {name} <output>{last === undefined || last === null ? '–' : format(last)}</output>
              </li>
            );
          })}
        </ul>
      </figcaption>
      <div class="plot" ref={place} role="img" aria-label={title} />
    </figure>
  );
}

export const plain = (value: number): string =>
  number(
    value,
    Math.abs(value) < 10 && !Number.isInteger(value)
      ? 2
      : Math.abs(value) < 1000 && !Number.isInteger(value)
        ? 1
        : 0,
  );
