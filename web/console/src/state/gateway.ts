// The session with the gateway, as signals that the views read. The client library brings it back when it is
// lost.
import { signal } from '@preact/signals';
import type { Deadman, EndpointInfo, Lease, Session } from 'thingway';
import { t } from '../i18n/index.ts';
import { access, enter, isForgotten, Refusal, remember, signIn, token, useToken } from './access.ts';
import { announce, borrow, onSignedOut } from './borrowing.ts';
import { brought, connect, leaving, share } from './early.ts';
import { reasonWords, words } from './failures.ts';
import { notice, settle } from './notices.ts';

export type Link = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'closed';

export const link = signal<Link>('idle');
export const session = signal<Session | null>(null);
export const endpoints = signal<ReadonlyMap<string, EndpointInfo>>(new Map());
export const leases = signal<ReadonlyMap<string, Lease>>(new Map());
/** Machines that were stopped, until a person has said that they know. */
export const stops = signal<ReadonlyMap<string, Deadman & { at: number }>>(new Map());
/** Milliseconds, the last few minutes, one every two seconds. */
export const roundTrips = signal<{ at: number; value: number }[]>([]);
/** Whether a list of endpoints has come at all. */
export const listed = signal(false);

const PING_EVERY = 2000;
const PINGS_KEPT = 300;
let attempts = 0;
let retry: ReturnType<typeof setTimeout> | undefined;

let settled = () => {};
/**
 * When there is a session, or ought to be one: until then the page does nothing large, which would hold the
 * connection up.
 */
export const calm = new Promise<void>((done) => {
  settled = done;
});

/**
 * Finds out who this page is and connects. Tries again by itself, except where a person has to do something
 * first.
 */
export async function start(begun?: Promise<Session>): Promise<void> {
  clearTimeout(retry);
  link.value = 'connecting';
  try {
    setTimeout(settled, 1000);
    const connecting =
      begun ?? connect(location.origin, { token: () => token.peek() ?? '', signal: leaving });
    // At the same time, since most pages may do both.
    const entering = access.value ? null : enter();
    const [made] = await Promise.all([connecting, entering]).catch((error: unknown) => {
      void connecting.then(
        (unused) => unused.close(),
        () => {},
      );
      throw error;
    });
    attempts = 0;
    for (const topic of ['session', 'left']) settle(topic);
    follow(made);
    if (isLent) offerToRemember();
  } catch (error) {
    link.value = 'closed';
    const word =
      error instanceof Refusal && error.status === 401
        ? error.word
        : isTokenTrouble(error)
          ? (error as { code: string }).code
          : null;
    if (word === 'token-missing' && (await usesTokenOfOtherTab())) return start();
    if (word !== null) return ask(word, (error as Error).message);
    notice('session', () => words(error), { label: () => t('again'), run: () => void start() });
    const wait = error instanceof Refusal ? error.retryAfter : 0;
    retry = setTimeout(
      () => void start(),
      Math.max(wait, Math.min(500 * 2 ** attempts++, 8000) * (0.75 + Math.random() / 2)),
    );
  }
}

let isLent = brought !== null || share !== null;

async function usesTokenOfOtherTab(): Promise<boolean> {
  const lent = token.peek() ? null : await borrow();
  if (lent === null) return false;
  useToken(lent, false);
  isLent = true;
  return true;
}

/** A person who came by a link has had no occasion to choose. */
function offerToRemember(): void {
  isLent = false;
  if (isForgotten())
    notice('remember', () => ({ what: t('remember'), todo: '' }), {
      label: () => t('sign-in.remember'),
      run: () => {
        remember();
        settle('remember');
      },
    });
}

/** Forgets the token on this device and ends the session. */
export async function signOut(): Promise<void> {
  if (token.peek()) announce(token.peek()!);
  await leave();
}

onSignedOut(() => void leave());

async function leave(): Promise<void> {
  clearTimeout(retry);
  const old = session.value;
  session.value = null;
  useToken(null, false);
  ask('token-missing', '');
  await old?.close();
}

function ask(word: string, detail: string): void {
  for (const topic of ['session', 'left', 'remember']) settle(topic); // the form says all that matters now
  access.value = null;
  signIn.value = new Refusal(401, word, detail, '', 0);
}
const isTokenTrouble = (error: unknown) =>
  error instanceof Error && /^(token-|unauthori[sz]ed)/.test(String((error as { code?: unknown }).code));

function follow(made: Session): void {
  settled();
  session.value = made;
  link.value = 'connected';
  endpoints.value = new Map(made.known);
  listed.value = true;
  made.addEventListener('state', ({ detail: { state } }) => {
    link.value = state;
    if (state === 'connected') settle('session');
  });
  made.addEventListener('endpoint', ({ detail }) => {
    const next = new Map(endpoints.value);
    if (detail.state === 'removed') next.delete(detail.name);
    else next.set(detail.name, detail);
    endpoints.value = next;
  });
  made.addEventListener('lease', ({ detail }) => {
    leases.value = new Map(leases.value).set(detail.endpoint, detail);
  });
  made.addEventListener('deadman', ({ detail }) => {
    stops.value = new Map(stops.value).set(detail.endpoint, { ...detail, at: Date.now() });
  });
  made.addEventListener('reconnecting', ({ detail: { error } }) =>
    notice(
      'session',
      () => {
        const { what } = words(error);
        return { what: t('link.lost', { what }), todo: t('try.link-lost') };
      },
      { label: () => t('now'), run: () => made.reconnectNow() },
    ),
  );
  made.addEventListener('reconnected', () => {
    settle('session');
    endpoints.value = new Map(made.known);
  });
  made.addEventListener('bye', ({ detail: { reason } }) => ended(reason));
  made.addEventListener('error', ({ detail }) => notice('control', () => words(detail)));
  void made.closed.then(({ reason, detail, error }) => {
    if (session.peek() !== made) return;
    session.value = null;
    link.value = 'closed';
    if (isTokenTrouble(error) || reason.startsWith('token-'))
      ask(reason.startsWith('token-') ? reason : (error as unknown as { code: string }).code, detail);
    else if (reason !== 'disconnected')
      notice('left', () => (error ? words(error) : reasonWords(reason, detail)), {
        label: () => t('again'),
        run: () => void start(),
      });
  });
  ping(made);
}

function ended(reason: string): void {
  if (reason === 'disconnected')
    notice('left', () => reasonWords('disconnected'), {
      label: () => t('again'),
      run: () => {
        settle('left');
        void start();
      },
    });
}

async function ping(made: Session): Promise<void> {
  const rest = (time: number) => new Promise((done) => setTimeout(done, time));
  await rest(PING_EVERY / 4); // what a person opens first comes first
  while (session.peek() === made) {
    if (made.state === 'connected') {
      const value = await made.ping().catch(() => null);
      if (value !== null)
        roundTrips.value = [...roundTrips.peek().slice(-PINGS_KEPT), { at: Date.now(), value }];
    }
    await rest(PING_EVERY);
  }
}

/** After a stop: the person knows, the machine may move again. */
export function acknowledge(endpoint: string): void {
  const stop = stops.value.get(endpoint);
  const next = new Map(stops.value);
  next.delete(endpoint);
  stops.value = next;
  if (stop && stop.session === session.value?.id) session.value.heartbeat({ endpoint, fired: stop.fired });
}

// Leaving closes the session at once, so that the gateway need not wait for a time-out to free the device.
addEventListener('pagehide', () => void session.value?.close());
addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload();
});
