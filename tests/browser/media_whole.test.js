// Every picture that Chromium shows is whole, over a restart of the camera.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chromium } from './lib/browsers.js';
import { Daemon } from './lib/daemon.js';
import { Camera, freePorts, pageOf, rtpEndpoint, watch } from './lib/media.js';
import { blue, isNear, red } from './lib/media_colors.js';
import { testBound, until } from './lib/until.js';

/** Runs in a page that watches: keeps the color in the middle of every picture. */
function keepColors() {
  const { video } = window.watched;
  const colors = [];
  window.colors = colors;
  const canvas = new OffscreenCanvas(1, 1);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const seen = (_now, { width, height }) => {
    context.drawImage(video, width / 2, height / 2, 1, 1, 0, 0, 1, 1);
    colors.push([...context.getImageData(0, 0, 1, 1).data.subarray(0, 3)]);
    video.requestVideoFrameCallback(seen);
  };
  video.requestVideoFrameCallback(seen);
}

for (const codec of ['VP8', 'H264'])
  test(`chromium: every picture in ${codec} is whole, over a restart of the camera`, {
    timeout: testBound,
  }, async (t) => {
    const port = await freePorts();
    const daemon = await Daemon.start(t, rtpEndpoint('camera', 'video', codec, port, 'silence_ms = 500\n'));
    const first = Camera.start(t, { codec, port });
    const page = await pageOf(await chromium(t), daemon.url);
    const { status, answer } = await page.evaluate(watch, { url: daemon.url, name: 'camera' });
    assert.equal(status, 201, answer);
    await page.evaluate(keepColors);
    const colors = () => page.evaluate(() => window.colors);
    await until('150 pictures', async () => (await colors()).length >= 150);
    await first.stop();
    Camera.start(t, { codec, port, color: 0xff143ca0 });
    const turn = (all) => all.findIndex((color) => isNear(color, blue));
    await until('150 pictures more', async () => {
      const all = await colors();
      return turn(all) >= 0 && all.length >= turn(all) + 150;
    });
    const all = await colors();
    // One picture is one of the two, and not something between them; none comes back from before.
    assert.deepEqual(
      all.filter((color, at) => !isNear(color, at < turn(all) ? red : blue)),
      [],
    );
    assert.equal((await daemon.sessions()).length, 1);
  });
