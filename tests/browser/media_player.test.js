// The page at /whep/NAME: it plays, says why it does not, and comes back by itself.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { chromium } from './lib/browsers.js';
import { Daemon, demoEndpoint } from './lib/daemon.js';
import { FirstPage } from './lib/first_page.js';
import { Camera, freePorts, look, rtpEndpoint } from './lib/media.js';
import { isNear, red } from './lib/media_colors.js';
import { testBound, until } from './lib/until.js';

const output = new URL('output/', import.meta.url).pathname;
mkdirSync(output, { recursive: true });

/** Runs in a page: whether what it says lies on the picture, where its color can be read. */
function isOnPicture() {
  const words = document.createRange();
  words.selectNodeContents(document.querySelector('#state'));
  const text = words.getBoundingClientRect();
  const video = document.querySelector('video').getBoundingClientRect();
  return text.width > 0 && text.top >= video.top && text.bottom <= video.bottom && text.left >= video.left;
}

/** The color that a person sees in the upper half of the picture, with all that the page lays over it. */
async function seen(page) {
  const { x, y, width, height } = await page.locator('video').boundingBox();
  const clip = { x: x + width / 2, y: y + height / 4, width: 1, height: 1 };
  const png = (await page.screenshot({ clip })).toString('base64');
  return page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const context = new OffscreenCanvas(1, 1).getContext('2d');
    context.drawImage(await createImageBitmap(new Blob([bytes])), 0, 0);
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  }, png);
}

async function play(t, address) {
  const page = await (await chromium(t)).newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (/Content.Security.Policy/i.test(message.text())) errors.push(message.text());
  });
  await page.goto(address);
  return {
    page,
    errors,
    says: () => page.locator('#state').innerText(),
    isRed: async () => isNear((await page.evaluate(look, 'video')).color, red),
  };
}

test('a browser that opens the address of a player sees the picture; programs get 405', {
  timeout: testBound,
}, async (t) => {
  const port = await freePorts();
  const daemon = await Daemon.start(t, rtpEndpoint('camera', 'video', 'H264', port));
  const address = `${daemon.url}/whep/camera`;
  const answer = await fetch(address);
  assert.deepEqual([answer.status, answer.headers.get('Allow')], [405, 'POST, OPTIONS']);
  const { page, errors, says, isRed } = await play(t, address);
  assert.equal(await page.title(), 'camera');
  await until('it says what is missing', async () =>
    (await says()).includes(`no packets on 127.0.0.1:${port}`),
  );
  const camera = Camera.start(t, { codec: 'H264', port });
  await until('the picture is red', isRed);
  await until('nothing is said of a picture that moves', async () => (await says()) === '');
  await camera.stop();
  await until('it says that the source is silent', async () => (await says()).includes('no packets on'));
  assert.equal((await daemon.sessions()).length, 1);
  await page.close();
  await until('the page has ended its session', async () => (await daemon.sessions()).length === 0);
  assert.deepEqual(errors, []);
});

test('the last picture of a source that has stopped is dim and says why, and the next one is bright', {
  timeout: testBound,
}, async (t) => {
  const port = await freePorts();
  // Long enough for the page to notice before the gateway does.
  const daemon = await Daemon.start(t, rtpEndpoint('camera', 'video', 'H264', port, 'silence_ms = 6000\n'));
  const camera = Camera.start(t, { codec: 'H264', port });
  const { page, errors, says } = await play(t, `${daemon.url}/whep/camera`);
  const isBright = async () => isNear(await seen(page), red) && (await says()) === '';
  await until('the picture is seen as it is', isBright);
  await page.evaluate(() => {
    window.said = [];
    const state = document.querySelector('#state');
    new MutationObserver(() => window.said.push(state.textContent)).observe(state, { childList: true });
  });
  await camera.stop();
  await until('it says that the picture has stopped', async () =>
    (await page.evaluate(() => window.said)).includes('The picture has stopped.'),
  );
  await until('it says that the source is silent', async () => (await says()).includes('no packets on'));
  // The last picture is still there, and is dark.
  assert.ok(isNear((await page.evaluate(look, 'video')).color, red));
  const [dim] = await seen(page);
  assert.ok(dim > 20 && dim < 100, `${dim} of 200`);
  for (const [width, height] of [
    [390, 844],
    [1280, 720],
  ]) {
    await page.setViewportSize({ width, height });
    assert.ok(await page.evaluate(isOnPicture), `what it says is on the picture, ${width} px wide`);
    await page.screenshot({ path: `${output}player-${width}-silent.png` });
  }
  const said = await page.evaluate(() => window.said);
  assert.deepEqual(
    said.filter((text) => text.includes('keyframe')),
    [],
  );
  Camera.start(t, { codec: 'H264', port });
  await until('the picture is bright again', isBright);
  assert.deepEqual(errors, []);
});

test('the first page opens the player of a camera, and its own panel for a text', {
  timeout: testBound,
}, async (t) => {
  const port = await freePorts();
  const daemon = await Daemon.start(t, rtpEndpoint('camera', 'video', 'VP8', port) + demoEndpoint);
  Camera.start(t, { codec: 'VP8', port });
  const browser = await chromium(t);
  const first = await FirstPage.open(browser, daemon.url);
  await first.openEndpoint('demo');
  const player = first.page.context().waitForEvent('page');
  await first.page.click('.endpoint[data-name="camera"] .open');
  const page = await player;
  await until('the player shows the picture', async () => isNear(await seen(page), red));
  assert.equal(new URL(page.url()).pathname, '/whep/camera');
  assert.equal(await first.page.locator('.console').count(), 1);
  assert.match(await first.state('demo'), /^open/);
  assert.deepEqual(first.errors, []);
});

test('the player comes back by itself: after a session that was ended, after a restart, and for a new endpoint', {
  timeout: testBound,
}, async (t) => {
  const port = await freePorts();
  const daemon = await Daemon.start(t, rtpEndpoint('camera', 'video', 'H264', port));
  Camera.start(t, { codec: 'H264', port });
  const { page, says, isRed } = await play(t, `${daemon.url}/whep/camera`);
  await until('the picture is red', isRed);
  const [{ id }] = await daemon.sessions();
  // The picture of before stays in the element, so a new one must be told from it.
  const frames = () =>
    page.evaluate(() => document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames);
  const moves = async () => {
    const before = await frames();
    await until('the picture moves', async () => (await frames()) > before + 5 && (await says()) === '');
  };
  await fetch(`${daemon.url}/sessions/${id}`, { method: 'DELETE' });
  await until('there is another session', async () => (await daemon.sessions()).some((it) => it.id !== id));
  await until('it is red again', isRed);
  await daemon.kill();
  await until('it notices', async () => (await says()) !== '');
  await daemon.start();
  await until('there is a session', async () => (await daemon.sessions()).length === 1);
  await until('it is red once more', isRed);
  await moves();
});

test('the token comes in the address, and without one the page says so', {
  timeout: testBound,
}, async (t) => {
  const port = await freePorts();
  const endpoint = rtpEndpoint('camera', 'video', 'VP8', port);
  let owner = '';
  const ask = async (url) => (await fetch(url, { headers: { Authorization: `Bearer ${owner}` } })).text();
  const daemon = await Daemon.start(t, endpoint, { ask });
  Camera.start(t, { codec: 'VP8', port });
  const make = async (body) => {
    const headers = { 'Content-Type': 'application/json' };
    return (await (await fetch(`${daemon.url}/tokens`, { method: 'POST', headers, body })).json()).token;
  };
  owner = await make('{"name":"owner","admin":true}');
  const token = await make('{"name":"viewer","scopes":[{"endpoints":["camera"],"verbs":["read"]}]}');
  daemon.configure(`${endpoint}[access]\ntrust_loopback = false\n`);
  daemon.reload();
  await until('a token is needed', async () => (await fetch(`${daemon.url}/access`)).status === 401);
  const { page, says, isRed } = await play(t, `${daemon.url}/whep/camera`);
  await until('it asks for a token', async () => (await says()).includes('#token='));
  await page.evaluate((value) => {
    location.hash = `token=${value}`;
  }, token);
  await until('the picture is red', isRed);
  assert.equal(new URL(page.url()).hash, '');
});
