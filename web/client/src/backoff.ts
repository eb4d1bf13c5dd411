// How long to wait before another attempt, and what ends a wait early.

/**
 * Doubles from `min` to `max`; a quarter more or less by chance, or all pages of a gateway would come back at
 * once.
 */
export function backoff(attempt: number, min: number, max: number, random = Math.random): number {
  return Math.round(Math.min(min * 2 ** Math.min(attempt - 1, 30), max) * (0.75 + random() / 2));
}

/**
 * Resolves after `ms`, or when `wake` is called, or when the machine is online or the page is looked at
 * again.
 */
export class Wait {
  wake: () => void = () => {};
  until(ms: number): Promise<void> {
    return new Promise((done) => {
      const seen = () => {
        if (globalThis.document?.visibilityState !== 'hidden') this.wake();
      };
      const timer = setTimeout(() => this.wake(), ms);
      this.wake = () => {
        clearTimeout(timer);
        globalThis.removeEventListener?.('online', seen);
        globalThis.document?.removeEventListener('visibilitychange', seen);
        this.wake = () => {};
        done();
      };
      globalThis.addEventListener?.('online', seen);
      globalThis.document?.addEventListener('visibilitychange', seen);
    });
  }
}
