// The recipes of docs/media.md, run as they stand there. Only the ports are free ones, and a program has the
// place of the camera.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { chromium } from './lib/browsers.js';
import { Daemon } from './lib/daemon.js';
import { freePorts, look, watch } from './lib/media.js';
import { isNear, middleOf, red } from './lib/media_colors.js';
import { prepare, publishColor } from './lib/media_senders.js';
import { fakeRpicam, recipe, redFilter, redTestSource, replaced, Shell } from './lib/recipes.js';
import { Hopeless, testBound, until } from './lib/until.js';

const camera = (port) =>
  replaced(recipe('toml', 'name = "camera"'), { '127.0.0.1:5004': `127.0.0.1:${port}` });

async function pageOf(t, url) {
  const page = await (await chromium(t)).newPage();
  await page.goto(`${url}/healthz`); // a page of the gateway's own origin
  return page;
}

const cameras = {
  'a webcam with GStreamer': {
    words: ['v4l2src', 'x264enc'],
    port: 'port=5004',
    camera: { v4l2src: redTestSource },
  },
  'the test picture of GStreamer': {
    words: ['videotestsrc'],
    port: 'port=5004',
    camera: { 'videotestsrc is-live=true': redTestSource },
  },
  'a webcam with FFmpeg': {
    words: ['ffmpeg -f v4l2'],
    port: ':5004',
    camera: { '-f v4l2 -i /dev/video0': redFilter('320x240') },
  },
  'rpicam-vid and GStreamer': { words: ['rpicam-vid', 'gst-launch-1.0'], port: 'port=5004' },
  'rpicam-vid and FFmpeg': { words: ['rpicam-vid', 'ffmpeg'], port: ':5004' },
};

for (const [name, { words, port: written, camera: other = {} }] of Object.entries(cameras))
  test(`chromium: the recipe for ${name} gives a picture`, { timeout: testBound }, async (t) => {
    const port = await freePorts();
    const daemon = await Daemon.start(t, camera(port));
    const command = replaced(recipe('sh', ...words), { [written]: written.replace('5004', port), ...other });
    const shell = Shell.start(t, command, { programs: { 'rpicam-vid': fakeRpicam } });
    const page = await pageOf(t, daemon.url);
    const { status, answer } = await page.evaluate(watch, { url: daemon.url, name: 'camera' });
    assert.equal(status, 201, answer);
    await until('the color is right', async () => {
      if (shell.hasEnded) throw new Hopeless(`the recipe has ended: ${shell.log}`);
      const { color } = await page.evaluate(look);
      if (!isNear(color, red)) throw new Error(`it is ${color}`);
      return true;
    });
  });

/** A daemon with the document's endpoint, and the document's command for it. */
async function takes(t, ...words) {
  const port = await freePorts();
  const config = replaced(recipe('toml', 'name = "talk"'), { ':5006': `:${port}` });
  const daemon = await Daemon.start(t, config);
  const command = replaced(recipe('sh', 'talk.sdp', ...words), { 'http://127.0.0.1:8000': daemon.url });
  return { daemon, command, port };
}

async function send(t, daemon) {
  const page = await pageOf(t, daemon.url);
  const wish = { url: `${daemon.url}/whip/talk`, codec: 'H264', color: 'rgb(200, 30, 30)' };
  await page.evaluate(prepare);
  const { status, answer } = await page.evaluate(publishColor, wish);
  assert.equal(status, 201, answer);
}

test('the recipe for GStreamer gives the pictures of a browser to a program', {
  timeout: testBound,
}, async (t) => {
  const { daemon, command } = await takes(t, 'gst-launch-1.0', 'your-program');
  const shell = Shell.start(t, command, { programs: { 'your-program': 'exec cat > pictures' } });
  const pictures = `${shell.directory}/pictures`;
  await until('it waits for packets', () => existsSync(pictures));
  await send(t, daemon);
  const size = 320 * 240 * 3;
  await until('ten pictures', () => {
    if (shell.hasEnded) throw new Hopeless(`the recipe has ended: ${shell.log}`);
    return statSync(pictures).size >= 10 * size;
  });
  const tenth = readFileSync(pictures).subarray(9 * size, 10 * size);
  assert.ok(isNear(middleOf(tenth, 320), red), `${middleOf(tenth, 320)}`);
});

test('the recipe for FFmpeg records what a browser sends', { timeout: testBound }, async (t) => {
  const { daemon, command } = await takes(t, 'ffmpeg');
  const shell = Shell.start(t, command);
  await until('there is a description', () => existsSync(`${shell.directory}/talk.sdp`));
  await send(t, daemon);
  const record = `${shell.directory}/talk.mkv`;
  await until('there is something in the record', () => {
    if (shell.hasEnded) throw new Hopeless(`the recipe has ended: ${shell.log}`);
    return /frame= *[1-9]\d/.test(shell.log) && existsSync(record);
  });
  await shell.stop('SIGINT');
  const decoder = `ffmpeg -loglevel error -i '${record}' -f rawvideo -pix_fmt rgb24 -s 320x240 pictures`;
  const decoding = Shell.start(t, decoder);
  await until('it is decoded', () => decoding.hasEnded);
  assert.equal(decoding.process.exitCode, 0, decoding.log);
  const picture = readFileSync(`${decoding.directory}/pictures`).subarray(-320 * 240 * 3);
  assert.ok(isNear(middleOf(picture, 320), red), `${middleOf(picture, 320)}`);
});
