// Who this page is to the gateway: its token, what that allows, and requests in its name.
import { signal } from '@preact/signals';
import { heldToken, hold, isRemembered } from './early.ts';

export interface Scope {
  endpoints: string[];
  verbs: string[];
}
export interface Access {
  token: string | null;
  loopback: boolean;
  scopes: Scope[];
  admin: boolean;
  expires: string | null;
  tls: boolean;
  /** Where the gateway is open to the network, if it is. */
  port?: number | null;
  /** Names and addresses of the gateway for other machines; for administrators. */
  hosts?: string[] | null;
  /** Whether this page may add, change and remove endpoints. */
  configure?: boolean;
  fingerprints?: { dtls: string; tls: string | null };
}

/** What a gateway without tokens allows: everything. */
const EVERYTHING: Access = {
  token: null,
  loopback: true,
  scopes: [],
  admin: true,
  expires: null,
  tls: false,
};

export const token = signal(heldToken());
export const access = signal<Access | null>(null);
/** Whether the gateway knows tokens at all. */
export const hasTokens = signal(true);
/** Why a person has to sign in; null while nobody has to. */
export const signIn = signal<Refusal | null>(null);

/** An answer that is none, with the words of its problem+json (RFC 9457). */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    /** The fragment of `type`, such as `token-expired`; empty where there is none. */
    readonly word: string,
    readonly detail: string,
    readonly where: string,
    readonly retryAfter: number,
  ) {
    super(detail);
  }

  static async from(response: Response): Promise<Refusal> {
    const problem = (await response.json().catch(() => ({}))) as {
      type?: string;
      title?: string;
      detail?: string;
      where?: string;
    };
    return new Refusal(
      response.status,
      problem.type?.split('#')[1] ?? '',
      problem.detail ?? problem.title ?? String(response.status),
      problem.where ?? '',
      Number(response.headers.get('Retry-After') ?? 0) * 1000,
    );
  }
}

/** A request in the name of the token. Throws `Refusal`, or what `fetch` throws when nobody answers. */
export async function request(method: string, path: string, body?: unknown): Promise<Response> {
  const headers: { [name: string]: string } = {};
  if (token.peek()) headers.Authorization = `Bearer ${token.peek()}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const response = await fetch(path, {
    method,
    headers,
    cache: 'no-store',
    signal: AbortSignal.timeout(10000),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.ok) return response;
  const refusal = await Refusal.from(response);
  // Before the page has got in there may be another way than to ask a person.
  if (response.status === 401 && access.peek()) signIn.value = refusal;
  throw refusal;
}

export async function get<T>(path: string): Promise<T> {
  return (await request('GET', path)).json() as Promise<T>;
}

/** Makes a token of the code of a share link. */
export async function redeem(share: string): Promise<void> {
  const response = await request('POST', '/shares/redeem', { share });
  useToken(((await response.json()) as { token: string }).token, false);
}

/** Throws the refusal if the gateway does not know it. Tells nobody else. */
export async function enter(): Promise<void> {
  try {
    access.value = await get<Access>('/access');
  } catch (error) {
    // A gateway from before there were tokens has no such path, and lets everybody in who reaches it.
    if (!(error instanceof Refusal) || error.status !== 404) throw error;
    access.value = EVERYTHING;
    hasTokens.value = false;
  }
  signIn.value = null;
}

export function useToken(value: string | null, remember: boolean): void {
  hold(value, remember);
  token.value = value;
}

/** Keeps the token when the tab is closed. */
export function remember(): void {
  hold(token.peek(), true);
}

/** Whether the token is gone when the tab is closed. */
export const isForgotten = (): boolean => token.peek() !== null && !isRemembered();

/** Whether the token allows this, as far as the page can know. The gateway has the last word. */
export function allows(endpoint: string, verb: 'read' | 'write' | 'line'): boolean {
  const mine = access.value;
  if (!mine) return false;
  if (mine.admin || mine.loopback) return true;
  return mine.scopes.some(
    ({ endpoints, verbs }) => verbs.includes(verb) && endpoints.some((pattern) => matches(pattern, endpoint)),
  );
}

function matches(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}
