// Somebody's own web site, on another origin than the gateway: one empty page and a small client script.
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import http from 'node:http';

const client = readFileSync(new URL('client.js', import.meta.url));

/** A web server of this machine that `respond` answers for, until the test has ended. */
export async function serve(t, respond) {
  const server = http.createServer(respond);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { origin: `http://127.0.0.1:${server.address().port}` };
}

/**
 * `html` is a function of nothing, asked at each request: what it shows may depend on what has started since.
 */
export function startSite(t, html = () => '<!doctype html><title>another site</title>') {
  return serve(t, (request, response) => {
    if (request.url === '/client.js')
      return response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(client);
    return response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(html());
  });
}

/** A page of that site, with the client script loaded as `window.gateway`. */
export async function openSite(browser, site) {
  const page = await browser.newPage();
  await page.goto(site.origin);
  await page.evaluate(async () => {
    window.client = await import('/client.js');
  });
  return page;
}
