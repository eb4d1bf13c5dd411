// A program of somebody who uses the package as npm installs it: it is compiled, not run. package.test.ts
// copies it beside an unpacked archive, once as a module and once as CommonJS.
import {
  connect,
  type Gap,
  type LineStatus,
  type Measurement,
  type Port,
  type Publication,
  type Session,
  ThingwayError,
} from 'thingway';
import { createSerial, type SerialPort } from 'thingway/serial';

export async function main(): Promise<void> {
  const session: Session = await connect('https://board:8443', {
    token: async () => 'tw_1_2',
    reconnect: { maxDelay: 5000 },
  });
  session.addEventListener('reconnected', ({ detail }) => {
    const gaps: Gap[] = detail.gap;
    console.log(gaps.map(({ port, unsent, mayBeLost }) => `${port.endpoint}: ${unsent + mayBeLost}`));
  });
  session.addEventListener('deadman', (event) =>
    session.heartbeat({ endpoint: event.detail.endpoint, fired: event.detail.fired }),
  );
  const port: Port = await session.open('arm', { ordered: false, maxRetransmits: 0 });
  port.addEventListener('message', ({ data }) =>
    console.log(typeof data === 'string' ? data : data.byteLength),
  );
  // @ts-expect-error a port has no such state
  if (port.state === 'connected') return;
  // @ts-expect-error what is internal is not declared
  port._attach;
  await new Blob(['G28\n']).stream().pipeTo(port.writable);
  await port.writable.abort();
  const status: LineStatus = await session.line(
    'arm',
    [{ dtr: false, rts: true }, { wait_ms: 100 }, { dtr: true }],
    { after: 'sent', port },
  );
  if (status.modem !== 'unsupported') console.log(status.modem.cts);
  const { rtt, throughput }: Measurement = await session.measure({ endpoint: 'echo' });
  console.log(rtt.median, throughput?.up);
  try {
    port.send('x');
  } catch (error) {
    if (error instanceof ThingwayError && error.code === 'too-large')
      console.log(error.hint, error.bytesUnsent);
  }
  const stream: MediaStream = await session.watch('camera');
  session.addEventListener('media', ({ detail: { kind, state, detail } }) => {
    if (state === 'refused') console.log(kind, detail);
  });
  session.addEventListener('bitrate', ({ detail }) => console.log(detail.bitrate / 1000));
  const publication: Publication = await session.publish('talk', stream);
  await publication.stop();
  await session.stop('camera');
  const serial = createSerial(session, { filter: ({ kind }) => kind === 'serial' || kind === 'tcp' });
  const device: SerialPort = await serial.requestPort({ filters: [] });
  await device.open({ baudRate: 115200 });
  await device.setSignals({ dataTerminalReady: false }, { overtake: true });
  await session.close();
}
