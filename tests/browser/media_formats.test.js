// Codecs and programs beside those of the recipes: FFmpeg as a source and a sink, and browsers whose pictures
// GStreamer decodes.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { chromium } from './lib/browsers.js';
import { Daemon } from './lib/daemon.js';
import { freePorts, look, pageOf, rtpEndpoint, watch } from './lib/media.js';
import { blue, isNear, middleOf, middleOfCanvas, red } from './lib/media_colors.js';
import { prepare, publishColor } from './lib/media_senders.js';
import { redFilter, Shell } from './lib/recipes.js';
import { Hopeless, testBound, until } from './lib/until.js';

const encoders = {
  H264: '-c:v libx264 -tune zerolatency -preset ultrafast -profile:v baseline',
  VP8: '-c:v libvpx -deadline realtime -cpu-used 8',
};
const matrices = { H264: 'bt709', VP8: 'bt601' };

for (const [codec, encoder] of Object.entries(encoders))
  test(`chromium: a picture of FFmpeg in ${codec} has its color`, { timeout: testBound }, async (t) => {
    const port = await freePorts();
    const daemon = await Daemon.start(t, rtpEndpoint('camera', 'video', codec, port));
    const shell = Shell.start(
      t,
      `ffmpeg -loglevel error ${redFilter('320x240', matrices[codec])} ${encoder} -g 30 -f rtp 'rtp://127.0.0.1:${port}?pkt_size=1200'`,
    );
    const page = await pageOf(await chromium(t), daemon.url);
    const { status, answer } = await page.evaluate(watch, { url: daemon.url, name: 'camera' });
    assert.equal(status, 201, answer);
    await until('the color is right', async () => {
      if (shell.hasEnded) throw new Hopeless(`FFmpeg has ended: ${shell.log}`);
      const { color } = await page.evaluate(look);
      if (!isNear(color, red)) throw new Error(`it is ${color}`);
      return true;
    });
  });

/** What decodes the pictures of a browser into a file, with 320 times 240 pixels. */
const sinks = {
  FFmpeg: (format) =>
    `ffmpeg -loglevel error -protocol_whitelist file,udp,rtp -i talk.sdp -s 320x240 -pix_fmt ${format} -f rawvideo -flush_packets 1 -y pictures`,
  GStreamer: (format) =>
    `gst-launch-1.0 -q filesrc location=talk.sdp ! sdpdemux ! decodebin ! videoconvert ! videoscale ! video/x-raw,format=${format},width=320,height=240 ! filesink location=pictures buffer-mode=unbuffered`,
};
const wishes = [
  ['FFmpeg', 'VP8'],
  ['FFmpeg', 'H264'],
  ['GStreamer', 'VP9'],
  ['GStreamer', 'H264'],
];

for (const [sink, codec] of wishes)
  test(`${sink} decodes the color that chromium sends in ${codec}`, { timeout: testBound }, async (t) => {
    // See `middleOfCanvas`.
    const isNamed = codec === 'H264';
    const format = isNamed
      ? { FFmpeg: 'rgb24', GStreamer: 'RGB' }[sink]
      : { FFmpeg: 'yuv420p', GStreamer: 'I420' }[sink];
    const size = 320 * 240 * (isNamed ? 3 : 1.5);
    const port = await freePorts();
    const daemon = await Daemon.start(
      t,
      `[[endpoint]]\nname = "talk"\nkind = "rtp"\n[endpoint.video]\ncodec = "${codec}"\nsend_to = "127.0.0.1:${port}"\n`,
    );
    const description = `curl --fail --silent ${daemon.url}/endpoints/talk/sdp > talk.sdp\ntouch pictures`;
    const shell = Shell.start(t, `${description}\n${sinks[sink](format)}`);
    const pictures = `${shell.directory}/pictures`;
    await until('it waits for packets', () => existsSync(pictures));
    const page = await pageOf(await chromium(t), daemon.url);
    await page.evaluate(prepare);
    const wish = { url: `${daemon.url}/whip/talk`, codec, color: `rgb(${blue})` };
    const { status, answer } = await page.evaluate(publishColor, wish);
    assert.equal(status, 201, answer);
    await until('twenty pictures', () => {
      if (shell.hasEnded) throw new Hopeless(`the program has ended: ${shell.log}`);
      return statSync(pictures).size >= 20 * size;
    });
    const last = readFileSync(pictures).subarray(19 * size, 20 * size);
    const color = isNamed ? middleOf(last, 320) : middleOfCanvas(last, 320, 240);
    assert.ok(isNear(color, blue), `it is ${color}`);
  });
