// Pictures of programs in Firefox. It has no H264 without a plugin that it loads from the network: then the answer
// has to say so.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firefox } from './lib/browsers.js';
import { Daemon } from './lib/daemon.js';
import { Camera, freePorts, look, pageOf, rtpEndpoint, watch } from './lib/media.js';
import { isNear, red } from './lib/media_colors.js';
import { testBound, until } from './lib/until.js';

/** The gateway says what the endpoint has and what this browser has: to a player, and of a session. */
async function isRefused(page, daemon, codec) {
  assert.equal(codec, 'H264', 'the only one that Firefox may lack');
  await until('the endpoint is open', async () => (await daemon.get('/endpoints/camera')).state === 'open');
  const ask = (path) =>
    page.evaluate(async (url) => {
      const pc = new RTCPeerConnection();
      window.kept = pc;
      pc.addTransceiver('video', { direction: 'recvonly' });
      if (!url.includes('/whep/')) pc.createDataChannel('thingway');
      await pc.setLocalDescription();
      const headers = { 'Content-Type': 'application/sdp' };
      const response = await fetch(url, { method: 'POST', headers, body: pc.localDescription.sdp });
      return [response.status, await response.text()];
    }, daemon.url + path);
  const [status, problem] = await ask('/whep/camera');
  assert.equal(status, 422, problem);
  assert.match(JSON.parse(problem).detail, /the peer has only .*VP8/);
  const [created, answer] = await ask('/sessions?media=camera');
  assert.equal(created, 201, answer);
  assert.match(answer, /m=video[\s\S]*a=inactive[\s\S]*m=application/);
  const [{ media }] = await daemon.sessions();
  assert.match(media[0].detail, /^the endpoint has H264, the peer has only .*VP8/);
  assert.equal(media[0].role, 'refused');
}

for (const codec of ['VP8', 'VP9', 'H264'])
  test(`firefox: a picture of GStreamer in ${codec}`, { timeout: testBound }, async (t) => {
    const port = await freePorts();
    const daemon = await Daemon.start(t, rtpEndpoint('camera', 'video', codec, port));
    Camera.start(t, { codec, port });
    const page = await pageOf(await firefox(t), daemon.url);
    const has = await page.evaluate(() =>
      RTCRtpReceiver.getCapabilities('video').codecs.map(({ mimeType }) => mimeType),
    );
    if (!has.includes(`video/${codec}`)) return isRefused(page, daemon, codec);
    const { status, answer } = await page.evaluate(watch, { url: daemon.url, name: 'camera' });
    assert.equal(status, 201, answer);
    await until('the color is right', async () => {
      const { color } = await page.evaluate(look);
      if (!isNear(color, red)) throw new Error(`it is ${color}`);
      return true;
    });
    assert.deepEqual((await page.evaluate(look)).size, [320, 240]);
  });
