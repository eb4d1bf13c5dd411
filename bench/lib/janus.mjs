// Janus with its streaming plugin, from the distribution, behind the same `POST` as the others. Janus makes the offer
// itself and cannot answer one. So each side gets what the other has said as if it were an answer: the adapter changes
// the roles of DTLS and the name of the section. ICE notices that both control, and one of them yields (RFC 8445 §7.3.1.1).
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { Server } from './server.mjs';

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
const API = 7437;

/** Janus does not offer loopback: the first address that it has. */
export const address = () =>
  Object.values(networkInterfaces())
    .flat()
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

/** As Debian has it, with the streaming plugin and HTTP alone, a quiet log, and no limit to silent sessions. */
function configure(directory, rtp) {
  mkdirSync(directory, { recursive: true });
  const plugins =
    'audiobridge duktape echotest lua nosip recordplay sip textroom videocall videoroom voicemail';
  const transports = 'mqtt nanomsg pfunix rabbitmq websockets';
  const libraries = (names) =>
    names
      .split(' ')
      .map((name) => `libjanus_${name}.so`)
      .join(',');
  writeFileSync(
    join(directory, 'janus.jcfg'),
    `general: { debug_level = 4, session_timeout = 0, configs_folder = "${directory}" }\n`
      + `plugins: { disable = "${libraries(plugins)}" }\ntransports: { disable = "${libraries(transports)}" }\n`,
  );
  writeFileSync(
    join(directory, 'janus.transport.http.jcfg'),
    `general: { base_path = "/janus", http = true, port = ${API}, https = false, ip = "127.0.0.1" }\n`,
  );
  writeFileSync(
    join(directory, 'janus.plugin.streaming.jcfg'),
    `camera: { type = "rtp", id = 1, video = true, audio = false, videoport = ${rtp}, videoiface = "127.0.0.1", videopt = 96,\n`
      + '  videocodec = "h264", videofmtp = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f" }\n',
  );
}

async function call(method, path, body) {
  const request = http.request({ host: '127.0.0.1', port: API, path: `/janus${path}`, method, agent });
  request.end(body && JSON.stringify({ transaction: String(Math.random()), ...body }));
  const [response] = await once(request, 'response');
  let text = '';
  for await (const piece of response.setEncoding('utf8')) text += piece;
  const answer = JSON.parse(text);
  if (answer.janus === 'error') throw new Error(`Janus: ${text}`);
  return answer;
}

const lines = (sdp) => sdp.split(/\r?\n/).filter(Boolean);
const mid = (sdp) => /^a=mid:(\S+)/m.exec(sdp)[1];

/** A description as the other side's answer: with its name of the section, and without extensions, whose numbers differ. */
function asAnswer(sdp, { to, setup }) {
  const [from, wanted] = [mid(sdp), mid(to)];
  const changed = lines(sdp)
    .filter((line) => !/^a=extmap/.test(line))
    .map((line) => line.replace(/^a=setup:.*/, `a=setup:${setup}`))
    .map((line) => (line === `a=mid:${from}` ? `a=mid:${wanted}` : line))
    .map((line) => (line === `a=group:BUNDLE ${from}` ? `a=group:BUNDLE ${wanted}` : line));
  return `${changed.join('\r\n')}\r\n`;
}

/** A session of Janus for an offer. Returns the answer. */
async function watch(offer) {
  const session = (await call('POST', '', { janus: 'create' })).data.id;
  const handle = (await call('POST', `/${session}`, { janus: 'attach', plugin: 'janus.plugin.streaming' }))
    .data.id;
  await call('POST', `/${session}/${handle}`, { janus: 'message', body: { request: 'watch', id: 1 } });
  for (;;) {
    const event = await call('GET', `/${session}`);
    if (event.plugindata?.data.error) throw new Error(`Janus: ${JSON.stringify(event)}`);
    if (event.jsep?.type !== 'offer') continue;
    const theirs = event.jsep.sdp;
    await call('POST', `/${session}/${handle}`, {
      janus: 'message',
      body: { request: 'start' },
      jsep: { type: 'answer', sdp: asAnswer(offer, { to: theirs, setup: 'active' }) },
    });
    return asAnswer(theirs, { to: offer, setup: 'passive' });
  }
}

/** Janus, and the adapter in this process, whose processor time does not count. */
export async function start(port, rtp) {
  const server = await Server.start(
    'Janus',
    `http://127.0.0.1:${port}/camera`,
    (path) => {
      const directory = `${path}.d`;
      configure(directory, rtp);
      return ['janus', '-F', directory, '-C', join(directory, 'janus.jcfg')];
    },
    { config: '', ready: /HTTP webserver started/ },
  );
  const adapter = http
    .createServer(async (request, response) => {
      let offer = '';
      for await (const piece of request) offer += piece;
      try {
        const answer = await watch(offer);
        response
          .writeHead(201, { 'Content-Type': 'application/sdp', 'Content-Length': Buffer.byteLength(answer) })
          .end(answer);
      } catch (error) {
        response.writeHead(500).end(String(error));
      }
    })
    .listen(port, '127.0.0.1');
  await once(adapter, 'listening');
  const stop = server.stop.bind(server);
  server.bind = address();
  server.stop = async () => {
    adapter.close();
    agent.destroy();
    await stop();
  };
  return server;
}
