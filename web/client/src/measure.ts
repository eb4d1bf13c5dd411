// How good a connection is: round trips over the control channel, throughput over a probe endpoint.
import { ThingwayError } from './errors.js';
import type { Port } from './port.js';
import type { EndpointInfo, Measurement, MeasureOptions } from './types.js';

const PIECE = 16384;

/** What a measurement needs of a session. */
interface Measured {
  readonly known: ReadonlyMap<string, EndpointInfo>;
  ping(): Promise<number>;
  open(endpoint: string): Promise<Port>;
}

export async function measure(
  session: Measured,
  { endpoint, pings = 20, seconds = 2 }: MeasureOptions,
): Promise<Measurement> {
  const times: number[] = [];
  for (let i = 0; i < pings; i++) times.push(await session.ping());
  times.sort((a, b) => a - b);
  const at = (part: number) => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? NaN;
  const result: Measurement = { rtt: { median: at(0.5), p99: at(0.99), n: times.length } };
  if (!endpoint) return result;

  const kind = session.known.get(endpoint)?.kind;
  const probe = kind && Object.hasOwn(probes, kind) ? probes[kind as keyof typeof probes] : undefined;
  if (!probe) throw new ThingwayError('bad-request', `${endpoint} is no probe: echo, sink or source`);
  const port = await session.open(endpoint);
  try {
    result.throughput = await probe(port, seconds);
  } finally {
    await port.close();
  }
  return result;
}

const probes = {
  /** All that was sent, until it is back: both ways at once, so each is as fast as the slower. */
  async echo(port: Port, seconds: number) {
    let back = 0;
    const heard = await listener(port, ({ length }) => {
      back += length;
    });
    const rate = await send(port, seconds, () => heard(() => back >= port.bytesSent));
    return { up: rate, down: rate };
  },

  /** All that was sent, until the gateway has counted it. */
  async sink(port: Port, seconds: number) {
    let done = 0;
    const heard = await listener(port, (data) => {
      done = Number(/^done:(\d+)/.exec(String(data))?.[1] ?? done);
    });
    const up = await send(port, seconds, async (writer) => {
      await writer.write('end');
      await heard(() => done > 0);
    });
    return { up };
  },

  async source(port: Port, seconds: number) {
    let bytes = 0;
    const heard = await listener(port, ({ length }) => {
      bytes += length;
    });
    let count = 64;
    for (let wanted = 0; ; ) {
      const began = performance.now();
      const before = bytes;
      wanted += count * PIECE;
      port.send(`send ${PIECE} ${count}`);
      await heard(() => bytes >= wanted);
      const ms = performance.now() - began;
      // Longer orders, until one has taken about as long as was asked for.
      if (ms >= seconds * 700) return { down: (bytes - before) / ms / 1000 };
      count = Math.ceil(count * Math.min(8, (seconds * 1000) / Math.max(ms, 1)));
    }
  },
};

async function send(
  port: Port,
  seconds: number,
  finish: (writer: WritableStreamDefaultWriter) => Promise<void>,
): Promise<number> {
  const writer = port.writable.getWriter();
  const piece = new Uint8Array(PIECE);
  const began = performance.now();
  while (performance.now() - began < seconds * 1000) await writer.write(piece);
  const sent = port.bytesSent;
  await finish(writer);
  const ms = performance.now() - began;
  writer.releaseLock();
  return sent / ms / 1000;
}

/** Passes on what comes, and gives a function that waits for a condition or for the end of the port. */
async function listener(port: Port, take: (data: Uint8Array | string) => void) {
  let wake = () => {};
  let ended: ThingwayError | undefined;
  port.addEventListener('message', ({ data }) => {
    take(data);
    wake();
  });
  port.addEventListener('closed', ({ detail }) => {
    ended = detail.error ?? new ThingwayError('port-closed');
    wake();
  });
  port.addEventListener('gap', () => {
    ended = new ThingwayError('connection-lost', 'the connection was lost while it was measured');
    wake();
  });
  return async (condition: () => boolean) => {
    while (!condition()) {
      if (ended) throw ended;
      await new Promise<void>((done) => {
        wake = done;
      });
    }
  };
}
