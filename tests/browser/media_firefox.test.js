// Pictures of programs in Firefox, and what it sends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firefox } from './lib/browsers.js';
import { Daemon } from './lib/daemon.js';
import { Camera, freePorts, look, rtpEndpoint, watch } from './lib/media.js';
import { isNear, red } from './lib/media_colors.js';
import { testBound, until } from './lib/until.js';

for (const codec of ['VP8', 'VP9', 'H264'])
  test(`firefox: a picture of GStreamer in ${codec}`, { timeout: testBound }, async (t) => {
    const port = await freePorts();
    const daemon = await Daemon.start(t, rtpEndpoint('camera', 'video', codec, port));
    Camera.start(t, { codec, port });
    const page = await (await firefox(t)).newPage();
    await page.goto(`${daemon.url}/healthz`); // a page of the gateway's own origin
    const offers = await page.evaluate(() =>
      RTCRtpReceiver.getCapabilities('video').codecs.map(({ mimeType }) => mimeType.toUpperCase()),
    );
    const { status, answer } = await page.evaluate(watch, { url: daemon.url, name: 'camera' });
    if(process.env.DBG) console.log(status, answer, offers);
    assert.equal(status, 201, answer);
    await until('the color is right', async () => {
      const { color } = await page.evaluate(look);
      if (!isNear(color, red)) throw new Error(`it is ${color}`);
      return true;
    });
    assert.deepEqual((await page.evaluate(look)).size, [320, 240]);
  });
