// Pictures and sound with the client library, as it is built, in Chromium against the real daemon.
import assert from 'node:assert/strict';
import test from 'node:test';
import { chromium, firefox } from './lib/browsers.js';
import { openConnected, startDaemonFor, startLibrarySite } from './lib/library.js';
import { Camera, fakeMedia, freePorts, listen, look, rtpEndpoint } from './lib/media.js';
import { blue, isNear, red } from './lib/media_colors.js';
import { testBound, until } from './lib/until.js';

const ECHO = '[[endpoint]]\nname = "echo"\nkind = "echo"\n';

/** A camera, an echo, and a page with a session. */
async function withCamera(t, { more = '', codec = 'H264', launch = chromium, browser: options = {} } = {}) {
  const site = await startLibrarySite(t);
  const port = await freePorts();
  const config = `${rtpEndpoint('camera', 'video', codec, port, 'silence_ms = 500\n')}${ECHO}${more}`;
  const daemon = await startDaemonFor(t, site, config);
  const browser = await launch(t, options);
  const page = await openConnected(browser, site, daemon.url);
  await page.evaluate(() => {
    for (const type of ['media', 'bitrate'])
      window.session.addEventListener(type, ({ detail }) => window.events.push({ type, ...detail }));
    window.show = (stream) => {
      const video = Object.assign(document.createElement('video'), { muted: true, autoplay: true });
      document.body.append(video);
      video.srcObject = window.stream = stream;
    };
  });
  return { site, daemon, page, port, config, browser };
}
const sees = (page, color) => async () => isNear((await page.evaluate(look, 'video')).color, color);

test('a page watches a camera beside an open port, and the part for pictures comes only then', {
  timeout: testBound,
}, async (t) => {
  const { daemon, page, port } = await withCamera(t);
  Camera.start(t, { codec: 'H264', port });
  const loaded = () =>
    page.evaluate(
      () => performance.getEntriesByType('resource').filter(({ name }) => /media\.js/.test(name)).length,
    );
  assert.equal(await loaded(), 0);
  assert.deepEqual(await page.evaluate(() => window.session.known.get('camera').media), ['video']);
  await page.evaluate(async () => {
    window.port = await window.session.open('echo');
    window.show(await window.session.watch('camera'));
  });
  assert.equal(await loaded(), 1);
  await until('the picture is red', sees(page, red));
  const [{ id }] = await daemon.sessions();
  assert.equal(await page.evaluate(() => window.session.id), id, 'it is the session of before');
  assert.equal(
    await page.evaluate(async () => (await window.session.watch('camera')) === window.stream),
    true,
    'the stream is the same for everybody',
  );
  await until('the gateway has told that it plays', () =>
    page.evaluate(() => window.events.some(({ type, state }) => type === 'media' && state === 'playing')),
  );
  await page.evaluate(() => window.session.stop('camera'));
  await until('nobody watches', async () => (await daemon.get('/endpoints/camera')).video.viewers === 0);
  assert.equal(await page.evaluate(() => window.port.state), 'open');
  // The section that was given up is used again.
  await page.evaluate(async () => window.show(await window.session.watch('camera')));
  await page.evaluate(() => document.querySelector('video').remove());
  await until('the picture is red again', sees(page, red));
});

test('firefox: a page watches a camera, and comes back to it', { timeout: testBound }, async (t) => {
  const { daemon, page, port } = await withCamera(t, { codec: 'VP8', launch: firefox });
  const camera = Camera.start(t, { codec: 'VP8', port });
  assert.equal(
    await page.evaluate(() => window.refusal(window.session.watch('none')).then(({ code }) => code)),
    'refused',
  );
  await page.evaluate(async () => window.show(await window.session.watch('camera')));
  await until('the picture is red', sees(page, red));
  await daemon.kill();
  await camera.stop();
  await daemon.start();
  await until('the session is back', () =>
    page.evaluate(() => window.events.some(({ type }) => type === 'reconnected')),
  );
  Camera.start(t, { codec: 'VP8', port, color: 0xff143ca0 });
  await until('the picture is blue', sees(page, blue));
});

test('tracks come and go while a transfer goes on, whose bytes are all there', {
  timeout: testBound,
}, async (t) => {
  const { page, port } = await withCamera(t);
  Camera.start(t, { codec: 'H264', port });
  const result = await page.evaluate(async () => {
    const { session, until } = window;
    const port = await session.open('echo');
    const size = 4 << 20;
    const bytes = Uint8Array.from({ length: size }, (_, at) => (at * 31 + (at >> 8)) & 255);
    const reading = (async () => {
      const back = new Uint8Array(size);
      let length = 0;
      for await (const chunk of port.readable) {
        back.set(chunk.subarray(0, size - length), length);
        length += chunk.length;
        window.length = length;
        if (length >= size) return back.every((byte, at) => byte === bytes[at]);
      }
    })();
    const writing = (async () => {
      const writer = port.writable.getWriter();
      for (let at = 0; at < size; at += 16384) {
        await writer.write(bytes.subarray(at, at + 16384));
        // What is next waits for the offers, so that they are made in the middle of it.
        if (at === size / 4) await until('the middle', () => window.isMiddle);
        else if (at % 65536 === 0) await window.sleep(1);
      }
    })();
    await until('the transfer has begun', () => window.length > 0);
    const before = window.length;
    const first = session.watch('camera');
    window.isMiddle = true;
    await first;
    let rounds = 0;
    while (window.length < size && rounds < 20) {
      await session.stop('camera');
      await session.watch('camera');
      rounds++;
    }
    await writing;
    return { same: await reading, before, rounds, size };
  });
  assert.equal(result.same, true);
  assert.ok(result.before < result.size && result.rounds > 1, JSON.stringify(result));
});

test('after a restart of the gateway the same stream has the picture again', {
  timeout: testBound,
}, async (t) => {
  const { daemon, page, port } = await withCamera(t);
  const camera = Camera.start(t, { codec: 'H264', port });
  await page.evaluate(async () => window.show(await window.session.watch('camera')));
  await until('the picture is red', sees(page, red));
  await daemon.kill();
  await camera.stop();
  await daemon.start();
  await until('the session is back', () =>
    page.evaluate(() => window.events.some(({ type }) => type === 'reconnected')),
  );
  Camera.start(t, { codec: 'H264', port, color: 0xff143ca0 });
  await until('the picture is blue', sees(page, blue));
  assert.deepEqual(
    await page.evaluate(() => [
      document.querySelector('video').srcObject === window.stream,
      window.stream.getTracks().map(({ readyState }) => readyState),
    ]),
    [true, ['live']],
  );
});

test('a camera of the page goes out under one SSRC, also after a reconnect, and ends with stop', {
  timeout: testBound,
}, async (t) => {
  const program = await listen(t);
  const more = `[[endpoint]]\nname = "talk"\nkind = "rtp"\n[endpoint.video]\ncodec = "VP8"\nsend_to = "127.0.0.1:${program.port}"\nsend_rtcp = "127.0.0.1:${program.port}"\n`;
  const { daemon, page, port, site } = await withCamera(t, { more, browser: fakeMedia });
  Camera.start(t, { codec: 'H264', port });
  // Only an origin of this machine may use a camera without TLS.
  assert.match(site.origin, /127\.0\.0\.1|localhost/);
  await page.evaluate(async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 240 } });
    window.publication = await window.session.publish('talk', stream);
    window.show(await window.session.watch('camera'));
  });
  await until('packets come', () => program.sequences.length > 50);
  await until('and the picture', sees(page, red));
  await daemon.kill();
  await daemon.start();
  await until('the session is back', () =>
    page.evaluate(() => window.events.some(({ type }) => type === 'reconnected')),
  );
  const before = program.sequences.length;
  await until('packets come again', () => program.sequences.length > before + 50);
  await until('and the picture again', sees(page, red));
  await page.evaluate(() => window.publication.stop());
  await until('nothing is sent', async () => (await daemon.get('/endpoints/talk')).video.publishers === 0);
  assert.deepEqual(
    await page.evaluate(() => window.publication.stream.getTracks().map(({ readyState }) => readyState)),
    ['live'],
    'the camera is the page’s own',
  );
});

test('what is refused is rejected with the reason, and the next one works', {
  timeout: testBound,
}, async (t) => {
  const other = await freePorts();
  const more = rtpEndpoint('other', 'video', 'H265', other);
  const { page, port } = await withCamera(t, { more });
  Camera.start(t, { codec: 'H264', port });
  const refusals = await page.evaluate(async () => {
    const { session, refusal } = window;
    return [
      await refusal(session.watch('other')),
      await refusal(session.watch('echo')),
      await refusal(session.watch('none')),
      await refusal(session.publish('camera', new MediaStream())),
    ].map(({ name, code, message }) => [name, code, message]);
  });
  for (const [name, code] of refusals) assert.deepEqual([name, code], ['ThingwayError', 'refused']);
  const messages = refusals.map(([, , message]) => message);
  assert.match(messages[0], /the peer has only .*VP8/);
  assert.match(messages[1], /neither pictures nor sound/);
  assert.match(messages[2], /no endpoint has this name/);
  assert.match(messages[3], /nothing can be sent to camera/);
  await page.evaluate(async () => window.show(await window.session.watch('camera')));
  await until('the picture is red', sees(page, red));
});
