// The console as the gateway serves it: dist/ under the gateway's policy, and everything else from the
// gateway. With a gateway that has this very console in its binary there is nothing to stand in for, and the
// page comes from there.
import { existsSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

export const dist = fileURLToPath(new URL('../../../web/console/dist/', import.meta.url));
const inline = existsSync(join(dist, 'inline.txt'))
  ? ` '${readFileSync(join(dist, 'inline.txt'), 'utf8').trim()}'`
  : '';
export const policy =
  `default-src 'none'; script-src 'self'${inline}; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; `
  + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.png': 'image/png',
  '.webmanifest': 'application/manifest+json',
};

/**
 * The address of the console of that daemon, of which only `url` is looked at. `extra(path)` may give HTML
 * for pages of a test's own.
 */
export async function consoleOf(t, daemon, extra = () => null, host = '127.0.0.1') {
  if (!existsSync(join(dist, 'index.html')))
    throw new Error('web/console is not built: npm install && npm run build there');
  const plain = daemon.url.startsWith('http:') && (await (await fetch(`${daemon.url}/`)).text());
  if (plain === readFileSync(join(dist, 'index.html'), 'utf8') && extra.length === 0 && host === '127.0.0.1')
    return daemon.url;
  const server = http.createServer((request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    const own = extra(path);
    const file = path === '/' ? 'index.html' : path.startsWith('/assets/') ? normalize(path).slice(1) : null;
    if (own !== null) return response.writeHead(200, { 'Content-Type': types['.html'] }).end(own);
    if (file === null) return pass(daemon, request, response);
    if (!existsSync(join(dist, file))) return response.writeHead(404).end();
    return response
      .writeHead(200, {
        'Content-Type': types[extname(file)],
        'Content-Security-Policy': policy,
        'Cache-Control': path === '/' ? 'no-cache' : 'public, max-age=31536000, immutable',
        'X-Content-Type-Options': 'nosniff',
      })
      .end(readFileSync(join(dist, file)));
  });
  server.listen(0, host);
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://${host}:${server.address().port}`;
}

/** On to the gateway, as if the page had come from there. */
function pass(daemon, request, response) {
  const { host, hostname, port, origin, protocol } = new URL(daemon.url);
  const headers = { ...request.headers, host };
  if (headers.origin) headers.origin = origin;
  // The certificate is the gateway's own making.
  const { request: ask } = protocol === 'https:' ? https : http;
  const onward = ask(
    { host: hostname, port, rejectUnauthorized: false, method: request.method, path: request.url, headers },
    (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    },
  );
  onward.on('error', () => response.destroy()); // a gateway that is not there answers nobody
  response.on('close', () => onward.destroy());
  request.pipe(onward);
}
