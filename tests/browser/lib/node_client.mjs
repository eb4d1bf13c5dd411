// A child process: one of the libraries as npm has it, in Node, with the globals of a page that it asks for.
// The test says what to call, one line each, and hears what came of it.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(import.meta.url);
const library = process.argv[2];

Object.assign(globalThis, require('@roamhq/wrtc'));
const { XMLHttpRequest: Request } = require('xmlhttprequest-ssl');
// One that says withCredentials is taken for one that can ask other origins.
globalThis.XMLHttpRequest = function XMLHttpRequest() {
  return Object.assign(new Request(), { withCredentials: false });
};
globalThis.WebSocket = require('ws');
globalThis.window = globalThis;
globalThis.self = globalThis;
// SkyWay-JS wants a Chrome; to PeerJS a Chrome is something to be mended.
const userAgent =
  library === 'skyway'
    ? 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36'
    : 'node';
Object.defineProperty(globalThis, 'navigator', {
  value: { userAgent, platform: 'Linux', mediaDevices: {} },
  configurable: true,
  writable: true,
});
globalThis.location = {
  protocol: 'http:',
  hostname: '127.0.0.1',
  host: '127.0.0.1',
  port: '',
  href: 'http://127.0.0.1/',
};
globalThis.document = { createElement: () => ({}), addEventListener() {} };
globalThis.addEventListener = () => {};
globalThis.removeEventListener = () => {};
globalThis.FileReader = class {
  readAsArrayBuffer(blob) {
    blob.arrayBuffer().then((result) => this.onload({ target: { result } }));
  }
};

const module = require(library === 'skyway' ? 'skyway-js' : 'peerjs');
globalThis.Peer = library === 'skyway' ? module : module.Peer;
await import('./hub_page.js');

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...words] = JSON.parse(line);
  try {
    process.stdout.write(`\n>${JSON.stringify({ value: (await globalThis.hub[name](...words)) ?? null })}\n`);
  } catch (error) {
    process.stdout.write(`\n>${JSON.stringify({ error: String(error) })}\n`);
  }
}
process.exit(0);
