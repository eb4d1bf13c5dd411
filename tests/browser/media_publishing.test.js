// Pictures of browsers, for programs that speak RTP and for other browsers; WHIP and WHEP with the library of
// their community.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chromium } from './lib/browsers.js';
import { Daemon } from './lib/daemon.js';
import {
  Camera,
  fakeMedia,
  freePorts,
  listen,
  look,
  pageOf,
  publish,
  rtpEndpoint,
  watch,
} from './lib/media.js';
import { isNear } from './lib/media_colors.js';
import { prepare, publishColor } from './lib/media_senders.js';
import { testBound, until } from './lib/until.js';

test('chromium: its camera comes out as RTP under one SSRC, over a reconnect too', {
  timeout: testBound,
}, async (t) => {
  const program = await listen(t);
  const config =
    `[[endpoint]]\nname = "talk"\nkind = "rtp"\n[endpoint.video]\ncodec = "VP8"\n`
    + `send_to = "127.0.0.1:${program.port}"\nsend_rtcp = "127.0.0.1:${program.port}"\n`;
  const daemon = await Daemon.start(t, config);
  const page = await pageOf(await chromium(t, fakeMedia), daemon.url);
  for (const _ of [1, 2]) {
    const before = program.sequences.length;
    assert.equal(await page.evaluate(publish, { url: `${daemon.url}/whip/talk` }), 201);
    await until('packets come', () => program.sequences.length > before + 50);
    await page.evaluate(() => window.published.pc.close());
    await until('the session has ended', async () => (await daemon.sessions()).length === 0);
  }
  const streams = [...program.streams.keys()];
  assert.equal(streams.length, 1, streams.join(', '));
  assert.match(streams[0], /^96 /);
  const steps = program.sequences.slice(1).map((n, at) => (n - program.sequences[at]) & 65535);
  assert.ok(
    steps.every((step) => step < 3000 || step > 62536),
    'the numbers go on',
  );
});

for (const codec of ['VP8', 'VP9', 'AV1'])
  test(`chromium: a page sees what another one sends in ${codec}`, { timeout: testBound }, async (t) => {
    const config = `[[endpoint]]\nname = "talk"\nkind = "rtp"\n[endpoint.video]\ncodec = "${codec}"\n`;
    const daemon = await Daemon.start(t, config);
    const browser = await chromium(t);
    const [sender, viewer] = [await pageOf(browser, daemon.url), await pageOf(browser, daemon.url)];
    await sender.evaluate(prepare);
    const wish = { url: `${daemon.url}/whip/talk`, codec, color: 'rgb(40, 200, 40)' };
    assert.equal((await sender.evaluate(publishColor, wish)).status, 201);
    const { status, answer } = await viewer.evaluate(watch, { url: daemon.url, name: 'talk' });
    assert.equal(status, 201, answer);
    await until('there is a picture', async () => (await viewer.evaluate(look)).size[0] > 0);
    // An encoder takes a moment to be exact.
    await until('its color is the same', async () =>
      isNear((await viewer.evaluate(look)).color, [40, 200, 40]),
    );
  });

test('a player is told that nothing sends, and may wait', { timeout: testBound }, async (t) => {
  const port = await freePorts();
  const daemon = await Daemon.start(t, rtpEndpoint('camera', 'video', 'VP8', port));
  const page = await pageOf(await chromium(t), daemon.url);
  const ask = (query) =>
    page.evaluate(async (url) => {
      const pc = new RTCPeerConnection();
      pc.addTransceiver('video', { direction: 'recvonly' });
      await pc.setLocalDescription();
      const headers = { 'Content-Type': 'application/sdp' };
      const response = await fetch(url, { method: 'POST', headers, body: pc.localDescription.sdp });
      return [response.status, response.headers.get('Retry-After')];
    }, `${daemon.url}/whep/camera${query}`);
  assert.deepEqual(await ask(''), [409, '1']);
  assert.deepEqual(await ask('?wait=true'), [201, null]);
  const endpoint = async () => await (await fetch(`${daemon.url}/endpoints/camera`)).json();
  const { state, detail, video } = await endpoint();
  assert.deepEqual([state, detail, video.why], ['absent', `no packets on 127.0.0.1:${port}`, detail]);
  Camera.start(t, { codec: 'VP8', port });
  await until('the endpoint is open', async () => (await endpoint()).state === 'open');
  assert.deepEqual(await ask(''), [201, null]);
});
