// Viewers that are no browsers: GStreamer's webrtcbin with H265, which Chromium does not have, and aiortc.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Daemon } from './lib/daemon.js';
import { Camera, freePorts, rtpEndpoint } from './lib/media.js';
import { blue, isNear, red } from './lib/media_colors.js';
import { gstreamer, pythonWithAiortc, Viewer } from './lib/python_stacks.js';
import { recipe, redTestSource, replaced, Shell } from './lib/recipes.js';
import { testBound, until } from './lib/until.js';

test('webrtcbin sees the color of the recipe for H265', { timeout: testBound }, async (t) => {
  const port = await freePorts();
  const daemon = await Daemon.start(t, rtpEndpoint('camera', 'video', 'H265', port));
  const command = { v4l2src: redTestSource, 'port=5004': `port=${port}` };
  Shell.start(t, replaced(recipe('sh', 'x265enc'), command));
  await until('the endpoint is open', async () => (await daemon.get('/endpoints/camera')).state === 'open');
  const { pem } = await gstreamer();
  const wish = { url: `${daemon.url}/whep/camera`, codec: 'H265', pem };
  const viewer = Viewer.start(t, '/usr/bin/python3', 'media_webrtcbin.py', wish);
  await until('thirty pictures', () => {
    viewer.check();
    return viewer.colors.length >= 30;
  });
  const strange = viewer.colors.filter((color) => !isNear(color, red));
  assert.deepEqual(strange, []);
});

for (const codec of ['VP8', 'H264'])
  test(`aiortc sees every picture in ${codec} whole, over a restart of the camera`, {
    timeout: testBound,
  }, async (t) => {
    const port = await freePorts();
    const daemon = await Daemon.start(t, rtpEndpoint('camera', 'video', codec, port, 'silence_ms = 500\n'));
    const first = Camera.start(t, { codec, port });
    await until('the endpoint is open', async () => (await daemon.get('/endpoints/camera')).state === 'open');
    const wish = { url: `${daemon.url}/whep/camera` };
    const viewer = Viewer.start(t, await pythonWithAiortc(), 'media_aiortc.py', wish);
    const pictures = (count) => () => {
      viewer.check();
      return viewer.colors.length >= count;
    };
    await until('150 pictures', pictures(150));
    await first.stop();
    Camera.start(t, { codec, port, color: 0xff143ca0 });
    await until('it is blue', () => {
      viewer.check();
      return viewer.colors.some((color) => isNear(color, blue));
    });
    const atTurn = viewer.colors.findIndex((color) => isNear(color, blue));
    await until('150 pictures more', pictures(atTurn + 150));
    // One picture is one of the two, and not something between them; none comes back from before.
    const wrong = viewer.colors.filter((color, at) => !isNear(color, at < atTurn ? red : blue));
    assert.deepEqual(wrong, []);
    assert.equal((await daemon.sessions()).length, 1);
  });
