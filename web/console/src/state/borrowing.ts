// Tabs of one browser: a second one gets in with the token of the first, and whoever signs out does so in all
// that have that token. Nothing but pages of this very origin hears them.
import { token } from './access.ts';

const PATIENCE = 300; // ms in which another tab answers, if there is one
const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('thingway.token') : null;

type Message = { wanted: true } | { token: string } | { gone: string };

channel?.addEventListener('message', ({ data }: MessageEvent<Message>) => {
  const own = token.peek();
  if ('wanted' in data && own) channel.postMessage({ token: own } satisfies Message);
});

/** Tells the other tabs that a person has signed out. */
export function announce(gone: string): void {
  channel?.postMessage({ gone } satisfies Message);
}

/** Calls `leave` when a person has signed out in another tab that has this one's token. */
export function onSignedOut(leave: () => void): void {
  channel?.addEventListener('message', ({ data }: MessageEvent<Message>) => {
    if ('gone' in data && data.gone === token.peek()) leave();
  });
}

/** Returns the token of another tab, or null if there is none that has one. */
export function borrow(): Promise<string | null> {
  if (!channel) return Promise.resolve(null);
  return new Promise((done) => {
    const hear = ({ data }: MessageEvent<Message>) => {
      if ('token' in data) end(data.token);
    };
    const end = (token: string | null) => {
      clearTimeout(late);
      channel.removeEventListener('message', hear);
      done(token);
    };
    const late = setTimeout(() => end(null), PATIENCE);
    channel.addEventListener('message', hear);
    channel.postMessage({ wanted: true } satisfies Message);
  });
}
