// The npm package whip-whep, which is not ours, in pages of another origin than the gateway's: it publishes, plays,
// sends its candidates later, and ends its sessions.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { chromium } from './lib/browsers.js';
import { Daemon } from './lib/daemon.js';
import { look } from './lib/media.js';
import { blue, isNear } from './lib/media_colors.js';
import { serve } from './lib/site.js';
import { testBound, until } from './lib/until.js';

const library = (name) => readFileSync(new URL(`node_modules/whip-whep/${name}`, import.meta.url));

const startSite = (t) =>
  serve(t, (request, response) => {
    const isScript = /^\/whe?i?p\.js$/.test(request.url);
    response.writeHead(200, { 'Content-Type': isScript ? 'text/javascript' : 'text/html; charset=utf-8' });
    response.end(isScript ? library(request.url.slice(1)) : '<!doctype html><title>a page</title>');
  });

/** Runs in a page: keeps the method and the status of every request. */
function keepRequests() {
  const { fetch } = window;
  window.requests = [];
  window.fetch = async (url, options = {}) => {
    const response = await fetch(url, options);
    window.requests.push([options.method ?? 'GET', response.status]);
    return response;
  };
}

/** Runs in a page: publishes one color. */
async function publish({ url, color }) {
  const { WHIPClient } = await import('/whip.js');
  const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 240 });
  const context = canvas.getContext('2d');
  const paint = () => {
    context.fillStyle = color;
    context.fillRect(0, 0, canvas.width, canvas.height);
  };
  paint();
  const stream = canvas.captureStream(30);
  setInterval(paint, 33);
  const pc = new RTCPeerConnection();
  for (const track of stream.getTracks())
    pc.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
  const client = new WHIPClient();
  window.client = client;
  window.pc = pc;
  await client.publish(pc, url);
}

/** Runs in a page: plays an endpoint, until its first picture. */
async function play({ url }) {
  const { WHEPClient } = await import('/whep.js');
  const video = Object.assign(document.createElement('video'), { muted: true, playsInline: true });
  document.body.append(video);
  const pc = new RTCPeerConnection();
  pc.addTransceiver('video', { direction: 'recvonly' });
  pc.ontrack = ({ track }) => {
    video.srcObject = new MediaStream([track]);
    video.play();
  };
  const client = new WHEPClient();
  window.client = client;
  window.watched = { pc, video };
  const first = new Promise((done) => video.requestVideoFrameCallback(done));
  await client.view(pc, url);
  await first;
}

test('chromium: whip-whep publishes and plays, and ends its sessions', { timeout: testBound }, async (t) => {
  const site = await startSite(t);
  const config =
    `[http]\nallowed_origins = ["${site.origin}"]\n`
    + `[[endpoint]]\nname = "talk"\nkind = "rtp"\n[endpoint.video]\ncodec = "H264"\n`;
  const daemon = await Daemon.start(t, config);
  const browser = await chromium(t);
  const [sender, viewer] = [await browser.newPage(), await browser.newPage()];
  for (const page of [sender, viewer]) {
    await page.goto(site.origin);
    await page.evaluate(keepRequests);
  }
  await sender.evaluate(publish, { url: `${daemon.url}/whip/talk`, color: `rgb(${blue})` });
  await until('something sends', async () => (await daemon.get('/endpoints/talk')).state === 'open');
  await viewer.evaluate(play, { url: `${daemon.url}/whep/talk` });
  await until('the color is right', async () => {
    const { color } = await viewer.evaluate(look);
    if (!isNear(color, blue)) throw new Error(`it is ${color}`);
    return true;
  });
  assert.equal((await daemon.sessions()).length, 2);
  for (const page of [viewer, sender])
    await until('its candidates are there', () =>
      page.evaluate(() => window.requests.some(([method]) => method === 'PATCH')),
    );
  // What the package asks for at its end, while the peer still lives.
  await viewer.evaluate(() => fetch(window.client.resourceURL, { method: 'DELETE' }));
  const isLeft = async () => (await daemon.sessions()).length;
  await until('the player has gone', async () => (await isLeft()) === 1);
  for (const page of [viewer, sender]) await page.evaluate(() => window.client.stop());
  await until('no session is left', async () => (await isLeft()) === 0);
  for (const [page, deletes] of [
    [viewer, [200, 404]],
    // The package closes its peer before it sends the request: the gateway hears of either first.
    [sender, [[200, 404]]],
  ]) {
    const requests = await page.evaluate(() => window.requests);
    const [post, ...others] = requests;
    assert.deepEqual(post, ['POST', 201]);
    const of = (wanted) => others.filter(([method]) => method === wanted).map(([, status]) => status);
    assert.ok(of('PATCH').length > 0);
    assert.deepEqual(
      of('PATCH').filter((status) => status !== 204),
      [],
    );
    assert.equal(of('DELETE').length, deletes.length);
    assert.ok(
      of('DELETE').every((status, at) => [deletes[at]].flat().includes(status)),
      `${of('DELETE')}`,
    );
  }
});
