// Pictures and sound in the console: a camera beside a terminal, its figures, and why there is no picture.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import test from 'node:test';
import { faults } from './lib/axe.js';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, demoEndpoint } from './lib/daemon.js';
import { Camera, fakeMedia, freePorts, listen, look, rtpEndpoint } from './lib/media.js';
import { blue, isNear, red } from './lib/media_colors.js';
import { testBound, until } from './lib/until.js';

const output = new URL('output/', import.meta.url).pathname;
mkdirSync(output, { recursive: true });

/** The figures below a picture, by their names. */
const figuresOf = (page, name) =>
  page.evaluate(
    (selector) =>
      Object.fromEntries(
        [...document.querySelectorAll(`${selector} .figures[data-kind=video] > div`)].map((row) => [
          row.querySelector('dt').textContent,
          row.querySelector('dd').textContent,
        ]),
      ),
    `.desk[data-name="${name}"]`,
  );
const pictureOf = (page, name) => page.evaluate(look, `.desk[data-name="${name}"] .picture video`);
const whyOf = (page, name) => page.locator(`.desk[data-name="${name}"] .why`).innerText();

async function openMedia(desk, name) {
  await desk.row(name).locator('button.primary, button[aria-pressed]').last().click();
  await desk.desk(name).locator('.media').waitFor();
  assert.doesNotMatch(await desk.notices(), /refuse|pictures or sound/i);
  assert.equal(await desk.desk(name).locator('> .trouble').count(), 0);
}

/** What the desk has said of its picture, as the page saw it change. */
async function record(page, name) {
  await page.evaluate((selector) => {
    window.said = [];
    const why = document.querySelector(selector);
    const observer = new MutationObserver(() => window.said.push(why.textContent));
    observer.observe(why, { childList: true, characterData: true, subtree: true });
  }, `.desk[data-name="${name}"] .why`);
  return () => page.evaluate(() => window.said);
}

for (const [width, height] of [
  [1280, 800],
  [390, 844],
])
  test(`a camera beside a terminal, ${width} px wide`, { timeout: testBound }, async (t) => {
    const port = await freePorts();
    const daemon = await Daemon.start(
      t,
      `${rtpEndpoint('camera', 'video', 'H264', port, 'silence_ms = 6000\n')}${demoEndpoint}`,
    );
    let camera = Camera.start(t, { codec: 'H264', port, size: [640, 480] });
    const browser = await chromium(t, { viewport: { width, height } });
    const desk = await Console.open(browser, await consoleOf(t, daemon));
    const { page } = desk;
    await desk.connected();
    await desk.openEndpoint('demo');
    await openMedia(desk, 'camera');
    if (width > 800) await page.getByRole('button', { name: 'Side by side' }).click();
    await until('the picture is red', async () => isNear((await pictureOf(page, 'camera')).color, red));
    await until('it moves', async () => Number((await figuresOf(page, 'camera'))['Frames/s']) > 5);
    const figures = await figuresOf(page, 'camera');
    assert.equal(figures.Pictures, 'H264');
    assert.equal(figures.Size, '640 × 480');
    assert.match(figures['Bit rate'], /^[\d,]+ kbit\/s$/);
    assert.match(figures.Loss, /^\d+\.\d %$/);
    assert.match(figures.Jitter, /^\d+\.\d ms$/);
    assert.match(figures['Since keyframe'], /^\d+ s$/);
    await until('it says what the connection takes', async () =>
      /^[\d,]+ kbit\/s$/.test((await figuresOf(page, 'camera'))['Viewers report room for']),
    );
    await until('nothing is missing', async () => (await whyOf(page, 'camera')) === '');
    if (width > 800) {
      await desk.send('demo', 'help');
      await desk.shows('demo', 'help');
    }
    await page.screenshot({ path: `${output}media-${width}.png` });
    assert.deepEqual(await faults(page), []);

    const said = await record(page, 'camera');
    const place = () => desk.desk('camera').locator('.picture').boundingBox();
    const before = await place();
    await camera.stop();
    await until('it says that nothing comes', async () =>
      (await whyOf(page, 'camera')).includes(`no packets on 127.0.0.1:${port}`),
    );
    // Before the gateway knows it, the page sees that the picture has stopped, and blames no keyframes.
    assert.ok((await said()).includes('The picture has stopped.'), (await said()).join('\n'));
    assert.doesNotMatch((await said()).join('\n'), /keyframe/);
    const { y: _, ...size } = await place();
    assert.deepEqual(size, { x: before.x, width: before.width, height: before.height }, 'it keeps its size');
    const { Pictures, ...stopped } = await figuresOf(page, 'camera');
    assert.equal(Pictures, 'H264');
    assert.deepEqual([...new Set(Object.values(stopped))], ['–'], 'a figure of a picture that has stopped');
    await page.screenshot({ path: `${output}media-${width}-silent.png` });
    // Neither the longer reason nor a low window pushes the figures out of their card, over what is below.
    for (const rows of [height, 400]) {
      await page.setViewportSize({ width, height: rows });
      const [card, figure] = await Promise.all(
        ['', ' .figures > div:last-child'].map((part) =>
          page.locator(`.desk[data-name="camera"]${part}`).boundingBox(),
        ),
      );
      assert.ok(
        figure.y + figure.height <= card.y + card.height,
        `${rows} px high: figures outside the card`,
      );
    }
    await page.setViewportSize({ width, height });
    camera = Camera.start(t, { codec: 'H264', port, size: [640, 480], color: 0xff143ca0 });
    await until('it is blue', async () => isNear((await pictureOf(page, 'camera')).color, blue));
    await until('nothing is missing any more', async () => (await whyOf(page, 'camera')) === '');
    if (width > 800) {
      // The same desk has the picture of a gateway that was started anew.
      await daemon.kill();
      await daemon.start();
      await until('it plays again', async () => Number((await figuresOf(page, 'camera'))['Frames/s']) > 5);
      await desk.send('demo', 'help');
    }
    await desk.desk('camera').locator('button.close').click();
    await until('nobody watches', async () => (await daemon.get('/endpoints/camera')).video.viewers === 0);
    assert.deepEqual(desk.errors, []);
  });

test('a browser without the codec is told so, and an address may name a camera', {
  timeout: testBound,
}, async (t) => {
  const port = await freePorts();
  const daemon = await Daemon.start(t, rtpEndpoint('camera', 'video', 'H265', port));
  const desk = await Console.open(await chromium(t), await consoleOf(t, daemon), '#/terminals/camera');
  await until('it says what the browser lacks', async () =>
    (await whyOf(desk.page, 'camera')).includes('This browser has no H265'),
  );
  assert.deepEqual(desk.errors, []);
});

test('a picture with sound is silent until a person wants to hear it', { timeout: testBound }, async (t) => {
  const [port, second, third] = [await freePorts(), await freePorts(), await freePorts()];
  const sound = `[endpoint.audio]\nlisten = "127.0.0.1:${second}"\ncodec = "opus"\n`;
  const daemon = await Daemon.start(
    t,
    `${rtpEndpoint('room', 'video', 'VP8', port)}${sound}[[endpoint]]\nname = "radio"\nkind = "rtp"\n${sound.replace(second, third)}`,
  );
  Camera.start(t, { codec: 'VP8', port });
  Camera.hear(t, { port: second });
  const desk = await Console.open(await chromium(t), await consoleOf(t, daemon));
  const { page } = desk;
  await desk.connected();
  await openMedia(desk, 'room');
  await until('the picture is red', async () => isNear((await pictureOf(page, 'room')).color, red));
  await until('there are figures of the sound', async () =>
    /Sound\s*opus\s*Bit rate\s*[1-9]\d* kbit/.test(
      await desk.desk('room').locator('[data-kind=audio]').innerText(),
    ),
  );
  const isMuted = () => page.evaluate(() => document.querySelector('.picture video').muted);
  assert.equal(await isMuted(), true);
  await page.getByRole('button', { name: 'Sound on' }).click();
  await until('it is heard', async () => !(await isMuted()));
  // Sound alone has no picture, and says what is missing of it in words.
  await openMedia(desk, 'radio');
  await until('it says what is missing', async () =>
    (await whyOf(page, 'radio')).includes(`no packets on 127.0.0.1:${third}`),
  );
  assert.equal(await desk.desk('radio').locator('.picture').isVisible(), false);
  assert.deepEqual(await faults(page), []);
  assert.deepEqual(desk.errors, []);
});

test('packets without a keyframe are told from silence', { timeout: testBound }, async (t) => {
  const port = await freePorts();
  const daemon = await Daemon.start(t, rtpEndpoint('camera', 'video', 'VP8', port));
  // Seconds of packets that continue a frame that never began.
  const { createSocket } = await import('node:dgram');
  const socket = createSocket('udp4');
  const packet = Buffer.alloc(200);
  let sequence = 0;
  const timer = setInterval(() => {
    packet[0] = 0x80;
    packet[1] = 0x80 | 96;
    packet.writeUInt16BE(sequence++ & 0xffff, 2);
    packet.writeUInt32BE(sequence * 3000, 4);
    packet.writeUInt32BE(0x1234, 8);
    packet[12] = 0x10; // a frame begins in it,
    packet[13] = 0x01; // which is no keyframe (RFC 7741 §4.3)
    socket.send(packet, port, '127.0.0.1');
  }, 33);
  t.after(() => {
    clearInterval(timer);
    socket.close();
  });
  const desk = await Console.open(await chromium(t), await consoleOf(t, daemon));
  await desk.connected();
  await openMedia(desk, 'camera');
  await until('it says that keyframes are missing', async () =>
    /keyframe/i.test(await whyOf(desk.page, 'camera')),
  );
});

test('the camera of this device goes to an endpoint that takes it', { timeout: testBound }, async (t) => {
  const program = await listen(t);
  const daemon = await Daemon.start(
    t,
    `[[endpoint]]\nname = "talk"\nkind = "rtp"\n[endpoint.video]\ncodec = "VP8"\nsend_to = "127.0.0.1:${program.port}"\nsend_rtcp = "127.0.0.1:${program.port}"\n`,
  );
  const desk = await Console.open(await chromium(t, fakeMedia), await consoleOf(t, daemon));
  await desk.connected();
  await openMedia(desk, 'talk');
  const { page } = desk;
  await page.getByRole('button', { name: 'Send camera' }).click();
  await until('packets come', () => program.sequences.length > 50);
  await page.screenshot({ path: `${output}media-sending.png` });
  await page.getByRole('button', { name: 'Stop camera' }).click();
  await until('the camera is off', async () => (await daemon.get('/endpoints/talk')).video.publishers === 0);
  await until('its preview goes away', async () => (await page.locator('.preview').count()) === 0);
  assert.deepEqual(desk.errors, []);
});

test('a page that is no secure context says why it has no camera', { timeout: testBound }, async (t) => {
  const daemon = await Daemon.start(
    t,
    `[http]\nhosts = ["board.example"]\n[[endpoint]]\nname = "talk"\nkind = "rtp"\n[endpoint.audio]\ncodec = "opus"\nsend_to = "127.0.0.1:9"\n`,
  );
  const { port } = new URL(await consoleOf(t, daemon));
  const browser = await chromium(t, { flags: ['--host-resolver-rules=MAP board.example 127.0.0.1'] });
  const desk = await Console.open(browser, `http://board.example:${port}`);
  await desk.connected();
  await openMedia(desk, 'talk');
  assert.equal(await desk.page.evaluate(() => isSecureContext), false);
  await until('it says why', async () =>
    /was not loaded over https/.test(await desk.desk('talk').locator('.insecure').innerText()),
  );
  assert.equal(await desk.page.getByRole('button', { name: 'Send microphone' }).count(), 0);
});
