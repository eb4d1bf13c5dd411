// Pages of other origins: the ones in http.allowed_origins may do everything, the others nothing.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { browsers } from './lib/browsers.js';
import { Daemon, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice, udpDevice } from './lib/devices.js';
import { openSite, startSite } from './lib/site.js';
import { testBound, until } from './lib/until.js';

async function world(t, allowed) {
  const site = await startSite(t);
  const path = join(temporaryDirectory(), 'tty');
  await SerialDevice.plugIn(t, path, { echo: true });
  const daemon = await Daemon.start(
    t,
    `
[http]
allowed_origins = ["${allowed ? site.origin : 'https://elsewhere.example'}"]
[[endpoint]]
name = "line"
kind = "serial"
path = "${path}"
baud = 3000000
[[endpoint]]
name = "echo"
kind = "udp"
remote = "${await udpDevice(t)}"
`,
  );
  return { site, daemon };
}

for (const [name, launch] of Object.entries(browsers)) {
  test(`${name}: a page of an allowed origin connects and exchanges messages`, {
    timeout: testBound,
  }, async (t) => {
    const { site, daemon } = await world(t, true);
    const page = await openSite(await launch(t), site);
    const result = await page.evaluate(async (gateway) => {
      const session = await window.client.Session.connect(gateway, [['echo'], ['line']]);
      const [echo, line] = session.channels;
      const result = {
        location: session.location,
        etag: session.etag,
        hello: session.heard[0],
        udp: {},
        serial: {},
      };
      for (const size of [1, 1100, 65507]) result.udp[size] = await session.echo(echo, size);
      for (const size of [1, 1100, 65536]) result.serial[size] = await session.echo(line, size);
      result.maxMessageSize = session.peer.sctp.maxMessageSize;
      return result;
    }, daemon.url);

    assert.match(result.location, /^\/sessions\/[^/]+$/, 'Location is exposed to the page');
    assert.match(result.etag, /^"[^"]+"$/, 'ETag is exposed to the page');
    assert.equal(result.hello.type, 'hello');
    assert.equal(result.hello.v, 1);
    assert.equal(`/sessions/${result.hello.session}`, result.location);
    assert.deepEqual(result.hello.endpoints.map((endpoint) => endpoint.name).sort(), ['echo', 'line']);
    assert.equal(result.maxMessageSize, 65536);
    for (const [size, { messages, same }] of Object.entries(result.udp)) {
      assert.ok(same, `${size} bytes by UDP come back as they were`);
      assert.equal(messages, 1, `a datagram of ${size} bytes stays one message`);
    }
    for (const [size, { same }] of Object.entries(result.serial)) {
      assert.ok(same, `${size} bytes by the serial line come back`);
    }

    const events = await page.evaluate(async (gateway) => {
      const three = (events) => events.length >= 3; // two endpoints and a session
      return {
        stream: await window.client.listen(
          new EventSource(`${gateway}/events`),
          ['endpoint', 'session'],
          three,
        ),
        socket: await window.client.listen(
          new WebSocket(`${gateway.replace('http', 'ws')}/events`),
          ['message'],
          three,
        ),
      };
    }, daemon.url);
    assert.ok(events.stream.opened && events.socket.opened);
    const named = events.stream.events.map(([event, data]) => [event, data.name ?? data.state]);
    assert.ok(
      named.some(([event, value]) => event === 'endpoint' && value === 'echo'),
      JSON.stringify(named),
    );
    assert.ok(
      named.some(([event, value]) => event === 'session' && value === 'connected'),
      JSON.stringify(named),
    );
    const told = events.socket.events.map(([, { event, data }]) => [event, data.name ?? data.state]);
    assert.deepEqual(told.slice(0, 3).sort(), named.slice(0, 3).sort(), 'the same events either way');
  });

  test(`${name}: a page of any other origin gets nothing and leaves nothing behind`, {
    timeout: testBound,
  }, async (t) => {
    const { site, daemon } = await world(t, false);
    const page = await openSite(await launch(t), site);
    const result = await page.evaluate(async (gateway) => {
      const never = () => false;
      const outcome = (promise) =>
        promise.then(
          () => 'done',
          (error) => error.name,
        );
      const offer = await new RTCPeerConnection().createOffer();
      return {
        session: await outcome(window.client.Session.connect(gateway)),
        list: await outcome(fetch(`${gateway}/sessions`)),
        endpoints: await outcome(fetch(`${gateway}/endpoints`)),
        // A form of another site can do this much without any preflight; the answer stays hidden, an effect
        // would not.
        blind: await outcome(
          fetch(`${gateway}/sessions`, { method: 'POST', mode: 'no-cors', body: offer.sdp }),
        ),
        stream: await window.client.listen(new EventSource(`${gateway}/events`), ['endpoint'], never),
        socket: await window.client.listen(
          new WebSocket(`${gateway.replace('http', 'ws')}/events`),
          ['message'],
          never,
        ),
      };
    }, daemon.url);
    assert.equal(result.session, 'TypeError');
    assert.equal(result.list, 'TypeError');
    assert.equal(result.endpoints, 'TypeError');
    for (const listener of [result.stream, result.socket]) {
      assert.deepEqual(listener, { opened: false, failed: true, events: [] });
    }
    await until('no session was made', async () => (await daemon.sessions()).length === 0, 0);
  });
}
