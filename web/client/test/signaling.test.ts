// HTTP: addresses, tokens, and what each refusal means.
import { describe, expect, test } from 'vitest';
import { ThingwayError, isFinal } from '../src/errors.js';
import { refusal, Signaling } from '../src/signaling.js';

const problem = (status: number, body: object, headers = {}) =>
  new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/problem+json', ...headers },
  });
const url = new URL('https://board:8443/');

describe('refusals', () => {
  test.each([
    [problem(401, { type: 'about:blank#token-expired', detail: 'it expired' }), 'token-expired'],
    [problem(429, { type: 'about:blank#too-many-tries' }, { 'Retry-After': '7' }), 'too-many-tries'],
    [problem(403, { type: 'about:blank' }), 'forbidden'],
    [problem(421, {}), 'bad-host'],
    [problem(400, { detail: 'a=fingerprint is missing', where: 'line 8' }), 'refused'],
    [problem(503, {}), 'too-many-sessions'],
    [new Response('', { status: 502 }), 'unavailable'],
    [new Response('<html>', { status: 404 }), 'not-a-gateway'],
  ])('%#: %o', async (response, code) => {
    const error = await refusal(url, response);
    expect(error).toBeInstanceOf(ThingwayError);
    expect(error.code).toBe(code);
    expect(error.hint.length).toBeGreaterThan(5);
    expect(error.status).toBe(response.status);
  });
  test('say what and where, and when to come again', async () => {
    expect(
      (await refusal(url, problem(400, { detail: 'a=fingerprint is missing', where: 'line 8' }))).message,
    ).toBe('a=fingerprint is missing (line 8)');
    expect((await refusal(url, problem(429, {}, { 'Retry-After': '7' }))).retryAfter).toBe(7000);
  });
  test('are final or not', () => {
    expect(
      ['token-revoked', 'forbidden', 'bad-url', 'aborted'].every((code) => isFinal(new ThingwayError(code))),
    ).toBe(true);
    expect(
      ['unreachable', 'too-many-sessions', 'timeout', 'ice-failed', 'unavailable'].some((code) =>
        isFinal(new ThingwayError(code)),
      ),
    ).toBe(false);
  });
});

describe('requests', () => {
  const answering = (headers: Record<string, string>, requests: Request[] = []) => ({
    requests,
    fetch: (async (input: URL, init: RequestInit) => {
      requests.push(new Request(input, init));
      return new Response(init.method === 'POST' ? 'v=0\r\n' : null, {
        status: init.method === 'POST' ? 201 : 204,
        headers,
      });
    }) as typeof fetch,
  });
  test('go below the path of the address, with the token of each attempt', async () => {
    const { requests, fetch } = answering({ Location: '/sessions/abc', ETag: '"x"' });
    let tokens = 0;
    const signaling = new Signaling('https://proxy/lab/board?x=1#y', {
      fetch,
      token: () => `tw_${++tokens}`,
    });
    expect(signaling.url.href).toBe('https://proxy/lab/board/');
    const resource = await signaling.post('v=0', AbortSignal.timeout(1000));
    expect(resource.url.href).toBe('https://proxy/lab/board/sessions/abc');
    await signaling.patch(resource, 'a=end-of-candidates');
    await signaling.post('v=0', AbortSignal.timeout(1000));
    expect(
      requests.map(({ method, headers }) => [method, headers.get('Authorization'), headers.get('If-Match')]),
    ).toEqual([
      ['POST', 'Bearer tw_1', null],
      ['PATCH', 'Bearer tw_1', '"x"'],
      ['POST', 'Bearer tw_2', null],
    ]);
    expect(requests[1]!.headers.get('Content-Type')).toBe('application/trickle-ice-sdpfrag');
  });
  test('a token behind the # of the address is used, and is not part of it any more', async () => {
    const { requests, fetch } = answering({ Location: '/sessions/abc' });
    const signaling = new Signaling('https://board:8443/#token=tw_a_b', { fetch });
    await signaling.post('v=0', AbortSignal.timeout(1000));
    expect(requests[0]!.headers.get('Authorization')).toBe('Bearer tw_a_b');
    expect(requests[0]!.url).toBe('https://board:8443/sessions');
  });
  test('a session whose pictures are refused is asked for without them', async () => {
    const asked: string[] = [];
    const fetch = (async (input: URL) => {
      asked.push(input.search);
      if (input.search === '?media=gone') return problem(404, { detail: 'there is no such endpoint' });
      return new Response('v=0\r\n', { status: 201, headers: { Location: '/sessions/abc' } });
    }) as typeof globalThis.fetch;
    const signaling = new Signaling('http://x', { fetch });
    const resource = await signaling.post('v=0', AbortSignal.timeout(1000), 'media=gone');
    expect([asked, resource.url.href]).toEqual([['?media=gone', ''], 'http://x/sessions/abc']);
    await expect(signaling.reoffer(resource, 'v=0', 'media=gone')).rejects.toMatchObject({ status: 404 });
  });
  test('an offer of a session that exists goes to it, and brings its answer', async () => {
    const asked: (string | undefined | null)[][] = [];
    const fetch = (async (input: URL, init: RequestInit) => {
      asked.push([init.method, input.href, new Headers(init.headers).get('Content-Type')]);
      return new Response('v=0 answer', { status: 200 });
    }) as typeof globalThis.fetch;
    const signaling = new Signaling('http://x', { fetch });
    const resource = { url: new URL('http://x/sessions/abc'), etag: null, answer: '' };
    expect(await signaling.reoffer(resource, 'v=0', 'media=camera')).toBe('v=0 answer');
    expect(asked).toEqual([['PATCH', 'http://x/sessions/abc?media=camera', 'application/sdp']]);
  });
  test("an answer without a session is no gateway's", async () => {
    const { fetch } = answering({});
    await expect(
      new Signaling('http://x', { fetch }).post('v=0', AbortSignal.timeout(1000)),
    ).rejects.toMatchObject({ code: 'not-a-gateway' });
  });
  test('no answer says so', async () => {
    const fetch = (async () => {
      throw new TypeError('fetch failed');
    }) as unknown as typeof globalThis.fetch;
    await expect(
      new Signaling('http://x', { fetch }).post('v=0', AbortSignal.timeout(1000)),
    ).rejects.toMatchObject({ code: 'unreachable' });
  });
});
