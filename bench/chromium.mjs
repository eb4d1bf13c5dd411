// The same servers with Chromium as the client, as users have it: round trip and bulk both ways. `--store`
// writes docs/bench.md.
import { chromium } from '../tests/browser/lib/browsers.js';
import { circumstances, store, table, version } from './lib/report.mjs';
import { built, servers } from './lib/server.mjs';
import { median } from './lib/statistics.mjs';

const [ROUNDS, ECHOES, MEGABYTES] = [Number(process.env.ROUNDS ?? 5), 1000, 24];
const header = circumstances({ thingway: version(built('thingway')), Chromium: version('chromium') });

/** In the page. */
function client() {
  window.open = async (label) => {
    const peer = new RTCPeerConnection();
    const channel = peer.createDataChannel(label);
    channel.binaryType = 'arraybuffer';
    const opened = new Promise((done) => {
      channel.onopen = done;
    });
    await peer.setLocalDescription();
    await new Promise((done) => {
      if (peer.iceGatheringState === 'complete') done();
      else peer.onicegatheringstatechange = () => peer.iceGatheringState === 'complete' && done();
    });
    const response = await fetch('/sessions', {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: peer.localDescription.sdp,
    });
    // One path for all of them: thingway has addresses of which Chromium would prefer another.
    const sdp = (await response.text()).replace(/^a=candidate:.*\r\n/gm, (line) =>
      line.includes(' 127.0.0.1 ') ? line : '',
    );
    await peer.setRemoteDescription({ type: 'answer', sdp });
    await opened;
    return { peer, channel };
  };
  window.echo = async (count) => {
    const { peer, channel } = await window.open('echo');
    const times = [];
    // A page's clock shows tenths of a millisecond: ten at a time.
    for (let n = -10; n < count / 10; n++) {
      const began = performance.now();
      for (let m = 0; m < 10; m++) {
        const back = new Promise((done) => {
          channel.onmessage = done;
        });
        channel.send(new Uint8Array(64));
        await back;
      }
      if (n >= 0) times.push((performance.now() - began) * 100);
    }
    peer.close();
    return times;
  };
  const timed = async (peer, run, count) => {
    await run(100);
    const began = performance.now();
    await run(count);
    const took = performance.now() - began;
    peer.close();
    return took;
  };
  window.down = async (count, size) => {
    const { peer, channel } = await window.open('source');
    const run = (messages) =>
      new Promise((done) => {
        let left = messages * size;
        channel.onmessage = ({ data }) => {
          if ((left -= data.byteLength) <= 0) done();
        };
        channel.send(`send ${size} ${messages}`);
      });
    return timed(peer, run, count);
  };
  window.up = async (count, size) => {
    const { peer, channel } = await window.open('sink');
    const message = new Uint8Array(size);
    channel.bufferedAmountLowThreshold = 1 << 17;
    const run = async (messages) => {
      const done = new Promise((answer) => {
        channel.onmessage = ({ data }) => answer(data);
      });
      for (let sent = 0; sent < messages; sent++) {
        if (channel.bufferedAmount > 1 << 18)
          await new Promise((low) => {
            channel.onbufferedamountlow = low;
          });
        channel.send(message);
      }
      channel.send('end');
      const text = await done;
      if (text !== `done:${messages * size}`) throw new Error(`bytes were lost: ${text}`);
    };
    return timed(peer, run, count);
  };
}

const names = Object.keys(servers);
const results = Object.fromEntries(names.map((name) => [name, []]));
const afters = [];
const size = 16384;
const count = Math.round((MEGABYTES * 1e6) / size);
const bytes = count * size;
try {
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of names) {
      const server = await servers[name](false);
      const browser = await chromium({ after: (end) => afters.push(end) });
      const page = await browser.newPage();
      await page.route(
        `${server.url}/client`,
        (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }),
        { times: 1 },
      );
      await page.goto(`${server.url}/client`);
      await page.evaluate(client);
      const times = await page.evaluate((echoes) => window.echo(echoes), ECHOES);
      const bulk = async (way) => {
        const cpu = server.cpu();
        const took = await page.evaluate(
          ([which, messages, long]) => window[which](messages, long),
          [way, count, size],
        );
        return { rate: bytes / took / 1000, cpu: ((server.cpu() - cpu) / bytes) * 1000 };
      };
      results[name].push({ echo: median(times), down: await bulk('down'), up: await bulk('up') });
      console.error(name, JSON.stringify(results[name].at(-1)));
      await page.context().close();
      await server.stop();
    }
  }
} finally {
  for (const end of afters) await end().catch(() => {});
}
const of = (name, pick) => median(results[name].map(pick));
const row = (words, pick, unit) => {
  const values = names.map((name) => of(name, pick));
  return [words, ...values.map(unit), ...values.slice(1).map((other) => (values[0] / other).toFixed(2))];
};
const micro = (value) => `${value.toFixed(0)} µs`;
const rate = (value) => `${value.toFixed(0)} MB/s`;
const milli = (value) => `${value.toFixed(1)} ms`;
const rows = [
  row('64 B there and back', ({ echo }) => echo, micro),
  row('16 KiB messages to the page', ({ down }) => down.rate, rate),
  row('the same: processor time per MB', ({ down }) => down.cpu, milli),
  row('16 KiB messages from the page', ({ up }) => up.rate, rate),
  row('the same: processor time per MB', ({ up }) => up.cpu, milli),
];
const lines = [
  header,
  '',
  `Medians of ${ROUNDS} rounds, a new browser for each.`,
  '',
  ...table(['', ...names, ...names.slice(1).map((name) => `to ${name}`)], rows),
];
console.log(lines.join('\n'));
if (process.argv.includes('--store')) store('Chromium', lines);
process.exit(0);
