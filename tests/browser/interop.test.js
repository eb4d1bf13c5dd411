// Foreign WebRTC stacks at the gateway: each opens channels with and without media beside them, with its
// candidates in the offer and after it, moves messages both ways by their hash, and closes from either side.
// `UPDATE_INTEROP=1` writes docs/interop.md and the offers in tests/golden/offers.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { browsers } from './lib/browsers.js';
import { Daemon } from './lib/daemon.js';
import { version as libdatachannel } from './lib/datachannel.js';
import { visit } from './lib/interop_w3c.js';
import { aiortcVersion, gstreamer, pythonWithAiortc } from './lib/python_stacks.js';
import { testBound, until } from './lib/until.js';

const run = promisify(execFile);
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const versionOf = (module) => createRequire(import.meta.url)('./package.json').dependencies[module];
const sizes = [1, 1200, 65536];
const config = '[[endpoint]]\nname = "echo"\nkind = "echo"\n';

/** What a program prints in its last line. */
async function outcome(command, ...words) {
  const { stdout } = await run(command, words, { maxBuffer: 1e8 });
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

/** GStreamer's element, in the system's Python, which has the bindings. */
const webrtcbin = (wish) =>
  outcome('/usr/bin/python3', here('lib/interop_webrtcbin.py'), JSON.stringify(wish));

/** A stack in a browser of its own. */
const inBrowser = (launch) => async (t, url) => {
  const browser = await launch(t);
  return {
    version: browser.version.split('.')[0],
    visit: async (wish) => {
      const page = await browser.newPage();
      await page.goto(`${url}/healthz`); // a page of the gateway's own origin
      return page.evaluate(visit, wish);
    },
  };
};
const inNode = (module) => async () => ({
  version: versionOf(module),
  visit: (wish) => outcome(process.execPath, here('lib/interop_node.mjs'), module, JSON.stringify(wish)),
});
const stacks = {
  Chromium: inBrowser(browsers.chromium),
  Firefox: inBrowser(browsers.firefox),
  libdatachannel: async () => ({
    version: `node-datachannel ${libdatachannel}`,
    visit: (wish) => outcome(process.execPath, here('lib/interop_libdatachannel.mjs'), JSON.stringify(wish)),
  }),
  'libwebrtc in Node': async () => ({
    ...(await inNode('@roamhq/wrtc')()),
    version: `@roamhq/wrtc ${versionOf('@roamhq/wrtc')}`,
  }),
  werift: inNode('werift'),
  webrtcbin: async () => {
    const { pem, version } = await gstreamer();
    return { version: `GStreamer ${version}`, visit: (wish) => webrtcbin({ ...wish, pem }) };
  },
  aiortc: async () => {
    const python = await pythonWithAiortc();
    return {
      version: aiortcVersion,
      knowsNoTrickle: true,
      visit: (wish) => outcome(python, here('lib/interop_aiortc.py'), JSON.stringify(wish)),
    };
  },
};

const rows = [];
/** The offers as they were written: the file's name, and the text. */
const offers = [];
for (const [name, start] of Object.entries(stacks)) {
  test(`${name}: channels with and without media, candidates at once and later`, {
    timeout: testBound,
  }, async (t) => {
    const daemon = await Daemon.start(t, config);
    const stack = await start(t, daemon.url);
    const cells = [];
    for (const media of [false, true]) {
      for (const trickle of [false, true]) {
        if (trickle && stack.knowsNoTrickle) {
          cells.push('–');
          continue;
        }
        const told = await stack.visit({ url: daemon.url, media, trickle, sizes });
        const kind = `${media ? 'with' : 'without'} media, candidates ${trickle ? 'later' : 'at once'}`;
        assert.deepEqual(
          { step: told.step, moved: told.moved, error: told.error },
          { step: 'done', moved: sizes, error: undefined },
          `${kind}; the offer:\n${told.offer}\nthe answer:\n${told.answer}\nthe log:\n${daemon.log}`,
        );
        assert.equal(told.answer.match(/^m=/gm).length, told.offer.match(/^m=/gm).length, kind);
        cells.push('yes');
        const words = `${name} ${stack.version}`.toLowerCase().replaceAll(/[^a-z0-9.]+/g, '-');
        offers.push([`${words}${media ? '-media' : ''}-${trickle ? 'trickle' : 'gathered'}`, told.offer]);
      }
    }
    rows.push([name, stack.version, ...cells]);
  });
}

test('what browsers say of a certificate with an RSA key is the reason of the session', {
  timeout: testBound,
}, async (t) => {
  const daemon = await Daemon.start(t, config);
  const browser = await browsers.chromium(t);
  const page = await browser.newPage();
  await page.goto(`${daemon.url}/healthz`);
  const reason = await page.evaluate(async () => {
    const told = new Promise((done) => {
      const events = new EventSource('/events');
      events.addEventListener('session', ({ data }) => {
        const { state, reason } = JSON.parse(data);
        if (state === 'failed') done(reason);
      });
    });
    const rsa = {
      name: 'RSASSA-PKCS1-v1_5',
      modulusLength: 2048,
      publicExponent: new Uint8Array([1, 0, 1]),
      hash: 'SHA-256',
    };
    const pc = new RTCPeerConnection({ certificates: [await RTCPeerConnection.generateCertificate(rsa)] });
    window.kept = pc;
    pc.createDataChannel('echo');
    await pc.setLocalDescription();
    const answer = await fetch('/sessions', {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: pc.localDescription.sdp,
    });
    await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
    return told;
  });
  assert.match(reason, /ECDSA.*RSA is not supported/);
});

test('webrtcbin as it comes has an RSA key, and that is the reason of the session', {
  timeout: testBound,
}, async (t) => {
  const daemon = await Daemon.start(t, config);
  const visit = webrtcbin({ url: daemon.url, media: false, trickle: false, sizes, patience: 1 });
  await until('the session has ended', () => /ended: .*ECDSA.*RSA is not supported/.test(daemon.log));
  assert.equal((await visit).step, 'open');
});

/**
 * Documentation addresses in place of this machine's, and nothing else changed: not a line, not a line end.
 */
const anonymous = (sdp) =>
  sdp
    .replace(/\b(?!0\.0\.0\.0|127\.)\d{1,3}(?:\.\d{1,3}){3}\b/g, '192.0.2.1')
    .replace(/(?<= )(?!::1 )[\da-f]{1,4}(?::[\da-f]{0,4}){2,7}(?= \d+ typ|\r)/gi, '2001:db8::1');

/** The folder has nothing but these, and a list with their date. */
function writeOffers() {
  const folder = here('../golden/offers');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const [name, offer] of offers) writeFileSync(`${folder}/${name}.sdp`, anonymous(offer));
  const list = offers
    .map(([name]) => `* ${name}`)
    .sort()
    .join('\n');
  writeFileSync(
    `${folder}/README.md`,
    `# Offers of foreign stacks\n\nAs each wrote it on ${new Date().toISOString().slice(0, 10)}, with its version in the name, by \`UPDATE_INTEROP=1 node --test interop.test.js\`;\nonly the addresses are others.\n\n${list}\n`,
  );
}

after(() => {
  if (process.env.UPDATE_INTEROP !== '1') return;
  writeOffers();
  const table = [
    '| stack | version | channel alone | … candidates later | beside audio and video | … candidates later |',
    '|---|---|---|---|---|---|',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n');
  const path = here('../../docs/interop.md');
  const text = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    text.replace(
      /(<!-- interop -->\n)[\s\S]*(<!-- end of interop -->)/,
      `$1Written on ${new Date().toISOString().slice(0, 10)}.\n\n${table}\n$2`,
    ),
  );
});
