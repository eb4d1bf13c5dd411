// Offers, candidates and the end of a session over HTTP (docs/api.yaml; the shape is that of WHIP, RFC 9725).
import { ThingwayError } from './errors.js';
import type { ConnectOptions } from './types.js';

/** Where the session is, and the mark of its ICE credentials. */
export interface Resource {
  url: URL;
  etag: string | null;
  answer: string;
}

const SDP = 'application/sdp';

export class Signaling {
  readonly url: URL;
  #token: ConnectOptions['token'];
  #fetch: typeof fetch;
  #last: string | undefined;
  #renewed = false;

  constructor(url: string | URL, options: ConnectOptions) {
    try {
      this.url = new URL(url, globalThis.location?.href);
    } catch (cause) {
      throw new ThingwayError('bad-url', `${url} is no address`, { cause });
    }
    if (!/^https?:$/.test(this.url.protocol))
      throw new ThingwayError('bad-url', `${url} is not http or https`);
    // A link that somebody was given carries its token behind the #, which no server and no log gets to see.
    this.#token = options.token ?? new URLSearchParams(this.url.hash.slice(1)).get('token') ?? undefined;
    this.url.hash = this.url.search = '';
    if (!this.url.pathname.endsWith('/')) this.url.pathname += '/';
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  }

  /**
   * Whether a new token can be had when one has expired: the last one that was given was not that of the time
   * before.
   */
  get renews() {
    return typeof this.#token === 'function' && this.#renewed;
  }

  /**
   * `media` is the query for the media sections of the offer. If the gateway refuses those, it is asked for a
   * session without them: a camera that is gone must not cost the terminals.
   */
  async post(sdp: string, signal: AbortSignal, media = ''): Promise<Resource> {
    const token = typeof this.#token === 'function' ? await this.#token() : this.#token;
    this.#renewed = token !== this.#last;
    this.#last = token;
    const url = new URL('sessions', this.url);
    const init = { method: 'POST', body: sdp, signal };
    const ask = (query: string) => {
      url.search = query;
      return this.#request(url, init, SDP);
    };
    const response = await ask(media).catch((error) => {
      if (media && error.status > 401) return ask('');
      throw error;
    });
    const answer = await response.text();
    const id = response.headers.get('Location')?.split('/').pop();
    if (response.status !== 201 || !id || !answer.startsWith('v=0')) {
      throw new ThingwayError('not-a-gateway', `${url} answered ${response.status} without a session`, {
        status: response.status,
      });
    }
    // Only the id of the Location is used: a proxy may have the gateway below a path of its own.
    return { url: new URL(`sessions/${id}`, this.url), etag: response.headers.get('ETag'), answer };
  }

  async patch({ url, etag }: Resource, fragment: string): Promise<void> {
    const headers = { 'If-Match': etag ?? '*' };
    await this.#request(url, { method: 'PATCH', body: fragment, headers }, 'application/trickle-ice-sdpfrag');
  }

  /** Offers a session anew; `media` is the query for the sections that are new in it. Gives the answer. */
  async reoffer({ url }: Resource, sdp: string, media: string): Promise<string> {
    const to = new URL(url);
    to.search = media;
    return (await this.#request(to, { method: 'PATCH', body: sdp }, SDP)).text();
  }

  /** `keepalive`: it is sent even while the page goes away. */
  async delete({ url }: Resource): Promise<void> {
    await this.#request(url, { method: 'DELETE', keepalive: true, signal: AbortSignal.timeout(3000) });
  }

  /** Whether the gateway still has the session; undefined while it cannot be asked. */
  async has({ url }: Resource): Promise<boolean | undefined> {
    try {
      await this.#request(url, { method: 'GET', signal: AbortSignal.timeout(3000) });
      return true;
    } catch (error) {
      return (error as ThingwayError).status === 404 ? false : undefined;
    }
  }

  async #request(url: URL, init: RequestInit, type?: string): Promise<Response> {
    const headers = new Headers(init.headers);
    if (type) headers.set('Content-Type', type);
    if (this.#last) headers.set('Authorization', `Bearer ${this.#last}`);
    let response: Response;
    try {
      response = await this.#fetch(url, { ...init, headers, cache: 'no-store' });
    } catch (cause) {
      if (init.signal?.aborted) throw init.signal.reason;
      throw new ThingwayError('unreachable', `${url.origin} cannot be reached: ${(cause as Error).message}`, {
        cause,
      });
    }
    if (!response.ok) throw await refusal(url, response);
    return response;
  }
}

/** What an answer that is not 2xx means. */
export async function refusal(url: URL, response: Response): Promise<ThingwayError> {
  const { status } = response;
  const problem = /^application\/problem\+json/.test(response.headers.get('Content-Type') ?? '');
  const { type, detail, where } = problem
    ? await response.json().catch(() => ({}))
    : ({} as Record<string, string>);
  const code = /#([\w-]+)$/.exec(type ?? '')?.[1] ?? codeOf(status, problem);
  const seconds = Number(response.headers.get('Retry-After') ?? NaN);
  const message = detail ? detail + (where ? ` (${where})` : '') : `${url.origin} answered ${status}`;
  return new ThingwayError(code, message, seconds >= 0 ? { status, retryAfter: seconds * 1000 } : { status });
}

function codeOf(status: number, problem: boolean): string {
  if (status >= 500) return status === 503 && problem ? 'too-many-sessions' : 'unavailable';
  if (!problem) return 'not-a-gateway';
  return { 403: 'forbidden', 421: 'bad-host', 429: 'too-many-tries' }[status] ?? 'refused';
}
