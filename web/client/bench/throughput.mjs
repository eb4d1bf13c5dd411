// How fast the library is beside a bare DataChannel: to a `sink` and from a `source`, in turns, so that both
// have the same weather.
//   node bench/throughput.mjs [chromium,firefox] [rounds] [MB] [--store]
// Needs what tests/browser has installed; THINGWAY_BIN names the daemon. `--store` writes the table in
// docs/bench.md.
import { circumstances, store, table, version } from '../../../bench/lib/report.mjs';
import { median } from '../../../bench/lib/statistics.mjs';
import { browsers } from '../../../tests/browser/lib/browsers.js';
import { openConnected, startDaemonFor, startLibrarySite } from '../../../tests/browser/lib/library.js';

const words = process.argv.slice(2).filter((word) => word !== '--store');
const [names = 'chromium', rounds = 7, megabytes = 20] = words;
const header = circumstances({ Chromium: version('chromium'), Firefox: version('firefox-esr') });
const rows = [];
for (const name of names.split(',')) await measure(name);
if (process.argv.includes('--store')) {
  store('client library', [
    header,
    '',
    `Medians of ${rounds} rounds of ${megabytes} MB in messages of 16 KiB; the ratio is the median of the pairs.`,
    '',
    ...table(['', 'bare DataChannel', 'the library', 'ratio'], rows),
  ]);
}

async function measure(name) {
  const ends = [];
  const t = { after: (end) => ends.unshift(end) };
  try {
    const site = await startLibrarySite(t);
    const daemon = await startDaemonFor(
      t,
      site,
      ['sink', 'source'].map((kind) => `[[endpoint]]\nname = "${kind}"\nkind = "${kind}"\n`).join(''),
    );
    const page = await openConnected(await browsers[name](t), site, daemon.url);
    await page.evaluate(giveWays, daemon.url);
    const count = Math.round((megabytes * 1e6) / 16384);
    for (const [bare, library] of [
      ['up, bare', 'up, writable'],
      ['down, bare', 'down, readable'],
    ]) {
      await compare(page, name, bare, library, count);
    }
  } finally {
    for (const end of ends) await end();
  }
}

/** Measures a bare channel and the library in turns. */
async function compare(page, name, bare, library, count) {
  const rates = { [bare]: [], [library]: [] };
  // The first round is to warm up.
  for (let round = -1; round < rounds; round++) {
    // Neither is always the one that comes after the other.
    for (const way of round % 2 ? [bare, library] : [library, bare]) {
      const rate = await page.evaluate(([of, pieces]) => window.ways[of](pieces), [way, count]);
      if (round >= 0) rates[way].push(rate);
    }
  }
  for (const [way, list] of Object.entries(rates)) {
    console.log(
      `${name} ${way}: ${median(list).toFixed(2)} MB/s (${Math.min(...list).toFixed(2)} to ${Math.max(...list).toFixed(2)}, n=${list.length})`,
    );
  }
  const ratios = rates[library].map((rate, round) => rate / rates[bare][round]);
  console.log(`${name} ${library}: ${median(ratios).toFixed(3)} of bare, the median of ${rounds} pairs`);
  rows.push([
    `${name}, ${library.startsWith('up') ? 'to the gateway' : 'from it'}`,
    `${median(rates[bare]).toFixed(1)} MB/s`,
    `${median(rates[library]).toFixed(1)} MB/s`,
    median(ratios).toFixed(2),
  ]);
}

/** In the page: `ways`, each of which moves so many pieces and returns MB/s. */
function giveWays(url) {
  const size = 16384;
  const piece = new Uint8Array(size);
  const rate = (bytes, began) => bytes / (performance.now() - began) / 1000;

  /** An ordinary DataChannel on a connection of its own, used as one finds it in examples. */
  async function bare(label) {
    const peer = new RTCPeerConnection();
    const channel = peer.createDataChannel(label);
    channel.binaryType = 'arraybuffer';
    await peer.setLocalDescription();
    const response = await fetch(`${url}/sessions`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: peer.localDescription.sdp,
    });
    const open = new Promise((done) => {
      channel.onopen = done;
    });
    await peer.setRemoteDescription({ type: 'answer', sdp: await response.text() });
    await open;
    return { peer, channel };
  }

  window.ways = {
    async 'up, bare'(count) {
      const { peer, channel } = await bare('sink');
      channel.bufferedAmountLowThreshold = 1 << 17;
      const done = new Promise((resolve) => {
        channel.onmessage = resolve;
      });
      const began = performance.now();
      for (let i = 0; i < count; i++) {
        if (channel.bufferedAmount + size > 1 << 18)
          await new Promise((resolve) => {
            channel.onbufferedamountlow = resolve;
          });
        channel.send(piece);
      }
      channel.send('end');
      await done;
      const result = rate(count * size, began);
      peer.close();
      return result;
    },
    async 'up, writable'(count) {
      const other = await thingway.connect(url);
      const port = await other.open('sink');
      const done = new Promise((resolve) => port.addEventListener('message', resolve));
      const writer = port.writable.getWriter();
      const began = performance.now();
      for (let i = 0; i < count; i++) await writer.write(piece);
      await writer.write('end');
      await done;
      const result = rate(count * size, began);
      await other.close();
      return result;
    },
    async 'down, bare'(count) {
      const { peer, channel } = await bare('source');
      const began = performance.now();
      let bytes = 0;
      await new Promise((resolve) => {
        channel.onmessage = ({ data }) => {
          if ((bytes += data.byteLength) === count * size) resolve();
        };
        channel.send(`send ${size} ${count}`);
      });
      const result = rate(bytes, began);
      peer.close();
      return result;
    },
    async 'down, readable'(count) {
      const other = await thingway.connect(url);
      const port = await other.open('source');
      const reader = port.readable.getReader();
      const began = performance.now();
      port.send(`send ${size} ${count}`);
      let bytes = 0;
      while (bytes < count * size) bytes += (await reader.read()).value.length;
      const result = rate(bytes, began);
      await other.close();
      return result;
    },
  };
}
