// The client library, as it is built, on a web site of its own: pages of another origin than the gateway's.
import { existsSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Daemon, temporaryDirectory } from './daemon.js';
import { serve } from './site.js';

const dist = fileURLToPath(new URL('../../../web/client/dist/', import.meta.url));
const modules = fileURLToPath(new URL('../node_modules/', import.meta.url));
const types = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.map': 'application/json',
  '.html': 'text/html',
};

/**
 * Serves the library below /thingway/, installed packages below /modules/, and `pages` by their paths. Below
 * /client/ are the files that a gateway serves, for pages of any origin.
 */
export async function startLibrarySite(t, pages = {}) {
  if (!existsSync(`${dist}index.js`))
    throw new Error('build it first: npm install && npm run build, in web/client');
  return serve(t, (request, response) => {
    const { pathname } = new URL(request.url, 'http://site');
    const [, from, path] = /^\/(thingway|modules|client)\/(.*)$/.exec(pathname) ?? [];
    const file = from && { thingway: dist, modules, client: `${dist}served/` }[from] + path;
    const page = pages[pathname] ?? (pathname === '/' ? '<!doctype html><title>a page</title>' : undefined);
    if (page === undefined && !(file && existsSync(file))) return response.writeHead(404).end();
    const type = types[extname(pathname)] ?? 'text/html; charset=utf-8';
    response
      .writeHead(200, {
        'Content-Type': type,
        ...(from === 'client' && { 'Access-Control-Allow-Origin': '*' }),
      })
      .end(page === undefined ? readFileSync(file) : typeof page === 'function' ? page() : page);
  });
}

/** A daemon that such a site may use. `config` is what follows `[http]`. */
export const startDaemonFor = (t, site, config, options) =>
  Daemon.start(t, `[http]\nallowed_origins = ["${site.origin}"]\n${config}`, options);

/** A page with the library as `window.thingway` and a session to `url` as `window.session`. */
export async function openConnected(browser, site, url, options = {}) {
  const page = await browser.newPage();
  await page.goto(site.origin);
  await page.evaluate(
    async ([address, settings]) => {
      window.thingway = await import('/thingway/index.js');
      window.events = [];
      window.session = await window.thingway.connect(address, settings);
      for (const type of [
        'state',
        'endpoint',
        'lease',
        'deadman',
        'dropped',
        'lost',
        'refused',
        'closed',
        'reconnecting',
        'reconnected',
        'bye',
        'error',
      ]) {
        window.session.addEventListener(type, ({ detail }) => {
          const { port, error, ...rest } = detail;
          window.events.push({
            type,
            ...(detail instanceof Error ? { code: detail.code } : rest),
            ...(error && { code: error.code }),
            ...(port && { port: port.endpoint }),
            ...(detail.gap && {
              gap: detail.gap.map(({ port: of, unsent, mayBeLost }) => ({
                port: of.endpoint,
                unsent,
                mayBeLost,
              })),
            }),
          });
        });
      }
      window.text = (data) => (typeof data === 'string' ? data : new TextDecoder().decode(data));
      window.sleep = (ms) => new Promise((done) => setTimeout(done, ms));
      window.until = async (what, condition, ms = 60000) => {
        for (const end = Date.now() + ms; Date.now() < end; await window.sleep(5)) {
          const value = await condition();
          if (value) return value;
        }
        throw new Error(`not within ${ms} ms: ${what}`);
      };
      /** What a call is refused with. */
      window.refusal = async (promise) => {
        try {
          await promise;
        } catch (error) {
          const { code, hint, message, status, step, bytesUnsent, bytesMayBeLost, name } = error;
          return { code, hint, message, status, step, bytesUnsent, bytesMayBeLost, name };
        }
        throw new Error('it was not refused');
      };
    },
    [url, options],
  );
  return page;
}

export const pty = (name) => `${temporaryDirectory()}/${name}`;
