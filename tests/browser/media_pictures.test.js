// Pictures of programs that speak RTP, in browsers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chromium } from './lib/browsers.js';
import { Daemon } from './lib/daemon.js';
import { Camera, freePorts, look, pageOf, rtpEndpoint, watch } from './lib/media.js';
import { blue, isNear, red } from './lib/media_colors.js';
import { testBound, until } from './lib/until.js';

for (const codec of ['H264', 'VP8', 'VP9']) {
  test(`chromium: a picture of GStreamer in ${codec} has its color`, { timeout: testBound }, async (t) => {
    const port = await freePorts();
    const daemon = await Daemon.start(t, rtpEndpoint('camera', 'video', codec, port));
    Camera.start(t, { codec, port });
    const page = await pageOf(await chromium(t), daemon.url);
    const { status, streams, answer } = await page.evaluate(watch, { url: daemon.url, name: 'camera' });
    assert.deepEqual([status, streams], [201, ['camera']], answer);
    await until('the color is right', async () => isNear((await page.evaluate(look)).color, red));
    assert.deepEqual((await page.evaluate(look)).size, [320, 240]);
  });
}

test('chromium: a camera that is killed and started again shows its new picture in the same session', {
  timeout: testBound,
}, async (t) => {
  const port = await freePorts();
  const daemon = await Daemon.start(t, rtpEndpoint('camera', 'video', 'H264', port, 'silence_ms = 500\n'));
  const first = Camera.start(t, { codec: 'H264', port });
  const page = await pageOf(await chromium(t), daemon.url);
  await page.evaluate(watch, { url: daemon.url, name: 'camera' });
  await until('it is red', async () => isNear((await page.evaluate(look)).color, red));
  await first.stop();
  Camera.start(t, { codec: 'H264', port, color: 0xff143ca0 });
  await until('it is blue', async () => isNear((await page.evaluate(look)).color, blue));
  assert.equal((await daemon.sessions()).length, 1);
});
