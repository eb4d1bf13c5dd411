// Channels as the page asked for them: their kinds, and how a refusal is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browsers, chromium } from './lib/browsers.js';
import { Daemon, demoEndpoint } from './lib/daemon.js';
import { udpDevice } from './lib/devices.js';
import { openSite, startSite } from './lib/site.js';
import { testBound, until } from './lib/until.js';

for (const [name, launch] of Object.entries(browsers)) {
  test(`${name}: the kinds of channels are seen in GET /sessions/{id}`, { timeout: testBound }, async (t) => {
    const { page, daemon } = await world(t, launch);
    const location = await page.evaluate(async (gateway) => {
      window.session = await window.client.Session.connect(gateway, [
        ['demo', { protocol: 'plain' }],
        ['demo', { ordered: false, protocol: 'unordered' }],
        ['demo', { maxRetransmits: 3, protocol: 'retransmits' }],
        ['demo', { maxRetransmits: 0, ordered: false, protocol: 'once' }],
        ['demo', { maxPacketLifeTime: 500, protocol: 'life-time' }],
      ]);
      await window.client.until('all are open', () =>
        window.session.channels.every((c) => c.readyState === 'open'),
      );
      return window.session.location;
    }, daemon.url);
    const session = await until('all channels are listed', async () => {
      const session = await daemon.get(location);
      return session.channels.length === 6 && session;
    });
    assert.equal(session.state, 'connected');
    assert.equal(session.control, true);
    const kinds = Object.fromEntries(
      session.channels.map((c) => [
        c.protocol || c.label,
        [c.endpoint, c.ordered, c.max_retransmits, c.max_packet_life_time],
      ]),
    );
    assert.deepEqual(kinds, {
      thingway: [null, true, null, null],
      plain: ['demo', true, null, null],
      unordered: ['demo', false, null, null],
      retransmits: ['demo', true, 3, null],
      once: ['demo', false, 0, null],
      'life-time': ['demo', true, null, 500],
    });
  });

  test(`${name}: an unknown label is closed, and the reason arrives on every way`, {
    timeout: testBound,
  }, async (t) => {
    const { page, daemon } = await world(t, launch);
    const result = await page.evaluate(async (gateway) => {
      const events = window.client.listen(new EventSource(`${gateway}/events`), ['channel'], (told) =>
        told.some(([, { label }]) => label === 'no-such-endpoint'),
      );
      const session = await window.client.Session.connect(gateway, [['demo'], ['no-such-endpoint']]);
      window.session = session; // or it is garbage, and closed, when this function ends
      const [good, bad] = session.channels;
      await window.client.until('the channel is closed', () => bad.closed);
      const refusal = () => session.heard.find(({ type }) => type === 'refused');
      const refused = await window.client.until('the reason', refusal);
      return {
        refused,
        good: good.readyState,
        id: bad.id,
        location: session.location,
        events: (await events).events,
      };
    }, daemon.url);
    assert.equal(result.refused.label, 'no-such-endpoint');
    assert.equal(result.refused.reason, 'unknown-endpoint');
    assert.equal(result.refused.channel, result.id);
    assert.ok(result.refused.detail, 'a sentence for people');
    assert.equal(result.good, 'open', 'the other channel goes on');

    const told = result.events.map(([, data]) => data).find(({ label }) => label === 'no-such-endpoint');
    assert.equal(told?.state, 'refused');
    assert.equal(told?.reason, 'unknown-endpoint');
    const session = await daemon.get(result.location);
    assert.deepEqual(session.channels.map(({ label }) => label).sort(), ['demo', 'thingway']);
    const closed = session.closed_channels.map(({ label, reason }) => [label, reason]);
    assert.deepEqual(closed, [['no-such-endpoint', 'unknown-endpoint']]);
  });
}

test('an empty message holds nothing up', { timeout: testBound }, async (t) => {
  const { page, daemon } = await world(t, chromium);
  const received = await page.evaluate(async (gateway) => {
    const session = await window.client.Session.connect(gateway, [['echo']]);
    const [echo] = session.channels;
    for (const text of ['one', '', 'three']) await session.send(echo, new TextEncoder().encode(text));
    const texts = () => echo.received.map((bytes) => new TextDecoder().decode(bytes));
    await window.client.until('the last one comes back', () => texts().includes('three'));
    // an empty datagram may be lost on the way back, and is counted then
    return texts().filter((text) => text);
  }, daemon.url);
  assert.deepEqual(received, ['one', 'three']);
});

test('credit does not run dry by what an unreliable channel loses', { timeout: testBound }, async (t) => {
  const { page, daemon } = await world(t, chromium);
  const sent = await page.evaluate(async (gateway) => {
    const options = { ordered: false, maxPacketLifeTime: 1 }; // the browser itself gives up most of these
    const session = await window.client.Session.connect(gateway, [['demo', options]]);
    const [channel] = session.channels;
    for (let i = 0; i < 1000; i++) await session.send(channel, new Uint8Array(1000));
    return channel.sent;
  }, daemon.url);
  assert.equal(sent, 1000000);
});

test('the control channel says what it did not understand', { timeout: testBound }, async (t) => {
  const { page, daemon } = await world(t, chromium);
  const heard = await page.evaluate(async (gateway) => {
    const session = await window.client.Session.connect(gateway);
    const before = session.heard.length;
    const ping = { type: 'ping', id: 'a' };
    session.control.send('{');
    for (const message of [{ type: 'fly' }, ping, { type: 'endpoints' }, { v: 9, type: 'hello' }]) {
      session.control.send(JSON.stringify(message));
    }
    await window.client.until('it is closed', () => session.control.readyState === 'closed');
    return session.heard.slice(before).map((m) => [m.type, m.reason ?? m.id ?? m.endpoints.length]);
  }, daemon.url);
  assert.deepEqual(heard, [
    ['error', 'bad-json'],
    ['error', 'unknown-type'],
    ['pong', 'a'],
    ['endpoints', 2],
    ['error', 'unsupported-version'],
    ['closed', 'unsupported-version'],
  ]);
});

async function world(t, launch) {
  const site = await startSite(t);
  const daemon = await Daemon.start(
    t,
    `
[http]
allowed_origins = ["${site.origin}"]
${demoEndpoint}
[[endpoint]]
name = "echo"
kind = "udp"
remote = "${await udpDevice(t)}"
`,
  );
  return { daemon, page: await openSite(await launch(t), site) };
}
