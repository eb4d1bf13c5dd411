// What the plots show: bytes per second of each open endpoint, and the numbers that devices print.
import { signal } from '@preact/signals';
import { desks, type Desk } from '../state/desks.ts';
import type { Piece } from '../terminal/record.ts';
import { Numbers } from './numbers.ts';

export const EVERY = 500; // ms
const KEPT = 600; // samples: five minutes

export interface Rates {
  at: number[];
  received: number[];
  sent: number[];
}
interface Watched {
  rates: Rates;
  numbers: Numbers;
  last: { at: number; received: number; sent: number };
  detach: () => void;
}

export const watched = new Map<Desk, Watched>();
/** Counts the samples, so that charts know when there is something to draw. */
export const ticks = signal(0);

function watch(desk: Desk): Watched {
  const numbers = new Numbers();
  const detach = desk.attach({ take: ({ at, bytes }: Piece) => numbers.take(bytes, at) });
  return {
    rates: { at: [], received: [], sent: [] },
    numbers,
    last: { at: performance.now(), received: desk.received, sent: desk.sent },
    detach,
  };
}

function sample(): void {
  const now = performance.now();
  for (const [desk, { rates, last }] of watched) {
    const seconds = (now - last.at) / 1000;
    rates.at.push(Date.now() / 1000);
    rates.received.push((desk.received - last.received) / seconds);
    rates.sent.push((desk.sent - last.sent) / seconds);
    for (const values of Object.values(rates)) if (values.length > KEPT) values.shift();
    Object.assign(last, { at: now, received: desk.received, sent: desk.sent });
  }
  if (watched.size) ticks.value++;
}
setInterval(sample, EVERY);

desks.subscribe((open) => {
  for (const [desk, { detach }] of watched) {
    if (open.includes(desk)) continue;
    detach();
    watched.delete(desk);
  }
  for (const desk of open) if (!watched.has(desk)) watched.set(desk, watch(desk));
});
