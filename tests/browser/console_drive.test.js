// Driving from the keyboard: messages at a rate, an end at every doubt, and the dead man in the gateway.
import assert from 'node:assert/strict';
import test from 'node:test';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { testBound, until } from './lib/until.js';

/**
 * ms after which the dead man stops a page that is silent. Where he is not what a test is about, no machine
 * is so busy that he would.
 */
async function rover(t, timeout = 600_000) {
  const path = `${temporaryDirectory()}/tty`;
  const device = await SerialDevice.plugIn(t, path);
  const daemon = await Daemon.start(
    t,
    `${serialEndpoint('rover', path)}deadman = { timeout_ms = ${timeout}, send = "HALT\\n" }\n`,
  );
  const browser = await chromium(t);
  const page = await Console.open(browser, await consoleOf(t, daemon));
  await page.connected();
  await page.view('drive');
  await until('the dead man is known', async () =>
    /[\d,]+ ms/.test(await page.page.locator('.deadman').innerText()),
  );
  const start = async () => {
    await page.page.getByRole('button', { name: 'Drive rover' }).click();
    await until('it drives', async () => /Driving rover/.test(await state()));
  };
  const state = () => page.page.locator('.drive p.state').innerText();
  const deadman = async () => (await daemon.get('/endpoints/rover')).deadman;
  return { device, daemon, browser, page, start, state, deadman };
}
const lines = (device) => String(device.received).split('\n');

test('sends at its rate while driven, and brings the machine to rest', { timeout: testBound }, async (t) => {
  const { device, page, start, state, deadman } = await rover(t);
  await page.page.getByRole('button', { name: 'Add a key' }).click();
  await start();
  // A timer of the same page: what takes the page's time takes it from both.
  const ticks = () => page.page.evaluate(() => window.ticks);
  await page.page.evaluate(() => {
    window.ticks = 0;
    setInterval(() => window.ticks++, 50);
  });
  const sent = () => lines(device).filter((line) => line.startsWith('V ')).length;
  const [ticksBefore, sentBefore] = [await ticks(), sent()];
  await until('the dead man is armed', async () => (await deadman()).armed);
  await until('the page shows it', async () => /armed/.test(await page.page.locator('.deadman').innerText()));
  await page.page.keyboard.down('ArrowUp');
  await page.page.keyboard.down('d');
  await until('it goes', () => lines(device).includes('V 1 1'));
  await page.page.keyboard.up('ArrowUp');
  await until('it turns', () => lines(device).includes('V 1 0'));
  await page.page.keyboard.up('d');
  const rim = await page.page.locator('.pad .rim').boundingBox();
  await page.page.mouse.move(rim.x + rim.width / 2, rim.y + rim.height / 2);
  await page.page.mouse.down();
  await page.page.mouse.move(rim.x - 50, rim.y + rim.height / 2);
  await until('a finger steers', () => lines(device).some((line) => /^V -(1|0\.99) -?0(\.0\d)?$/.test(line)));
  await page.page.mouse.up();
  await until('and lets go', () => lines(device).at(-2) === 'V 0 0');
  await page.page.keyboard.press('h');
  await until('a key of its own, once', () => lines(device).includes('horn'));
  await until('enough to count', async () => (await ticks()) >= ticksBefore + 60);
  const ratio = (sent() - sentBefore) / ((await ticks()) - ticksBefore);
  assert.ok(
    ratio > 0.75 && ratio < 1.25,
    `20 messages a second were asked for, and ${ratio.toFixed(2)} came for each 50 ms of the page`,
  );
  await page.page.keyboard.press('Space');
  await until('it stops', () => lines(device).includes('stop'));
  assert.match(await state(), /Stopped by you/);
  await until(
    'it is at rest, so there is nothing to fire for',
    async () => (await deadman()).armed === false,
  );
  const { length } = lines(device);
  const ticked = await ticks();
  await until('the page had time for ten more messages', async () => (await ticks()) >= ticked + 10);
  await start();
  await until('it drives again', () => lines(device).length > length);
  assert.deepEqual(
    lines(device).slice(length - 2, length),
    ['stop', 'V 0 0'],
    'nothing between the stop and the next start',
  );
  assert.equal(lines(device).filter((line) => line === 'horn').length, 1);
  await page.page.keyboard.press('Space');
  await until('it stops again', () => lines(device).filter((line) => line === 'stop').length === 2);
  assert.equal((await deadman()).fired, 0);
  assert.deepEqual(page.errors, []);
});

test('stops when the field is left', { timeout: testBound }, async (t) => {
  const { device, page, start, state, deadman } = await rover(t);
  await start();
  await until('it drives', () => lines(device).includes('V 0 0'));
  await page.page.keyboard.press('Tab');
  await until('it stops', () => lines(device).includes('stop'));
  assert.match(await state(), /the driving field was left/);
  await until('it is at rest', async () => (await deadman()).armed === false);
  assert.equal((await deadman()).fired, 0);

  await start();
  await page.page.evaluate(() => window.dispatchEvent(new Event('blur')));
  await until('it stops', async () => /was left/.test(await state()));
  await start();
  await page.page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { value: true, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await until('it stops', async () => /the page was hidden/.test(await state()));
});

test('a page that hangs is stopped by the gateway, and a person has to say that they know', {
  timeout: testBound,
}, async (t) => {
  const { device, page, start, state, deadman } = await rover(t, 4000);
  let letGo;
  const held = new Promise((done) => {
    letGo = done;
  });
  await page.page.route('**/hang', async (route) => {
    await held;
    await route.fulfill({ body: '' });
  });
  await start();
  await page.page.keyboard.down('ArrowUp');
  await until('it goes', () => lines(device).includes('V 0 1'));
  // The page waits for an answer and does nothing else, until the machine has been stopped.
  const hanging = page.page.evaluate(() => {
    const request = new XMLHttpRequest();
    request.open('GET', '/hang', false);
    request.send();
  });
  await until('the machine is stopped', () => lines(device).includes('HALT'));
  letGo();
  await hanging;
  assert.equal((await deadman()).fired, 1);
  const alert = page.page.locator('.drive .stop-bar');
  await until('the page says so', async () =>
    /rover was stopped at .* because this page had fallen silent/.test(await alert.innerText()),
  );
  assert.match(await state(), /Stopped by the gateway’s dead-man switch/);
  assert.equal(await page.page.getByRole('button', { name: 'Drive rover' }).isDisabled(), true);
  const moved = lines(device)
    .slice(lines(device).indexOf('HALT') + 1)
    .filter((line) => line.startsWith('V'));
  assert.deepEqual(moved, [], 'nothing moves it after the stop');
  await page.page.keyboard.up('ArrowUp');
  await alert.getByRole('button', { name: 'I have looked: go on' }).click();
  await start();
  const before = lines(device).length;
  await until('it is driven again', () => lines(device).length > before + 3);
  await page.page.keyboard.press('Escape');
  await until('it stops', async () => /Stopped by you/.test(await state()));
  assert.deepEqual(page.errors, []);
});

test('a gamepad steers, and an unplugged one lets go', { timeout: testBound }, async (t) => {
  const { device, page, start, state } = await rover(t);
  await page.page.getByLabel('Message', { exact: true }).fill('V {x} {y} {b0} {a3*100}\\n');
  // There is no pad at this machine: the page is told of one as the browser would tell it.
  await page.page.evaluate(() => {
    window.pad = { id: 'Test Pad (Vendor: 0000)', axes: [0, 0, 0, 0], buttons: [{ value: 0 }, { value: 0 }] };
    navigator.getGamepads = () => [null, window.pad];
  });
  await until('the page names it', async () =>
    /Test Pad/.test(await page.page.locator('.drive').innerText()),
  );
  await start();
  await until('it rests', () => lines(device).includes('V 0 0 0 0'));
  await page.page.evaluate(() => {
    window.pad.axes = [0.5, -1, 0, 0.25];
    window.pad.buttons[0].value = 1;
  });
  await until('the stick and a button arrive, forward being positive', () =>
    lines(device).includes('V 0.5 1 1 25'),
  );
  await page.page.evaluate(() => {
    window.pad.axes = [0.04, -0.04, 0, 0];
    window.pad.buttons[0].value = 0;
  });
  await until('a stick that is at rest does not creep', () => lines(device).at(-2) === 'V 0 0 0 0');
  await page.page.evaluate(() => {
    window.pad.axes = [1, 0, 0, 0];
  });
  await until('it turns', () => lines(device).at(-2) === 'V 1 0 0 0');
  await page.page.evaluate(() => {
    navigator.getGamepads = () => [null, null];
  });
  await until('nothing goes on by itself', () => lines(device).at(-2)?.startsWith('V 0 0 0'));
  await page.page.keyboard.press('Escape');
  await until('it stops', async () => /Stopped by you/.test(await state()));
  assert.deepEqual(page.errors, []);
});

test('no machine is chosen for a person: the one terminal that is open is a choice, one of several is not', {
  timeout: testBound,
}, async (t) => {
  const daemon = await Daemon.start(
    t,
    ['arm', 'demo', 'zoo'].map((name) => `[[endpoint]]\nname = "${name}"\nkind = "demo"\n`).join(''),
  );
  const [browser, site] = [await chromium(t), await consoleOf(t, daemon)];
  const page = await Console.open(browser, site);
  await page.connected();
  await page.view('drive');
  const machine = page.page.locator('.drive').getByLabel('Machine');
  const button = (name) => page.page.locator('.drive').getByRole('button', { name, exact: true });
  await until('the machines are known', async () =>
    (await machine.locator('option').allInnerTexts()).includes('zoo'),
  );
  assert.equal(await machine.inputValue(), '');
  assert.equal(await button('Drive').isDisabled(), true);
  // On a phone the choice and the button are above the fold, in this order.
  await page.page.setViewportSize({ width: 390, height: 844 });
  const places = await Promise.all([machine, button('Drive')].map((it) => it.boundingBox()));
  assert.ok(places[0].y < places[1].y && places[1].y + places[1].height < 844, JSON.stringify(places));
  await page.page.setViewportSize({ width: 1280, height: 800 });

  await page.view('terminals');
  for (const name of ['zoo', 'demo']) await page.openEndpoint(name);
  await page.view('drive');
  await until('the machines are there', async () =>
    (await machine.locator('option').allInnerTexts()).includes('zoo'),
  );
  assert.equal(await machine.inputValue(), '', 'two terminals are open');

  await machine.selectOption('demo');
  await button('Drive demo').click();
  await until('it drives', async () =>
    /Driving demo/.test(await page.page.locator('.drive p.state').innerText()),
  );
  await page.page.keyboard.down('ArrowUp');
  await until('the machine says so', async () =>
    /the motors run: x 0\.00 y 1\.00/.test(await page.page.locator('.drive .answers').innerText()),
  );
  await page.page.keyboard.up('ArrowUp');
  await page.page.keyboard.press('Escape');
  await page.view('terminals');
  await page.shows('demo', /driven: the motors run[\s\S]*are at rest/);
  const other = await Console.open(browser, site);
  await other.connected();
  await other.openEndpoint('zoo');
  await other.view('drive');
  await until(
    'the one that is open is it',
    async () => (await other.page.locator('.drive').getByLabel('Machine').inputValue()) === 'zoo',
  );
  assert.deepEqual([page.errors, other.errors], [[], []]);
});
