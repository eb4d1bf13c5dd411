// Leases: who may write to an endpoint where only one session may (docs/control.md, "Leases").
import type { Control } from './control.js';
import { ThingwayError } from './errors.js';
import type { Lease, Leases } from './types.js';

export class Leasing implements Leases {
  #known = new Map<string, Lease>();
  #news = new EventTarget();
  constructor(private control: () => Control) {}

  of(endpoint: string): Lease | undefined {
    return this.#known.get(endpoint);
  }
  heard(lease: Lease) {
    this.#known.set(lease.endpoint, lease);
    this.#news.dispatchEvent(new Event(lease.endpoint));
  }
  forget(endpoint: string) {
    this.#known.delete(endpoint);
  }
  clear() {
    this.#known.clear();
  }

  async take(
    endpoint: string,
    { force = false, ask = false }: { force?: boolean; ask?: boolean } = {},
  ): Promise<Lease> {
    await this.#ask({ endpoint, do: ask && !force ? 'ask' : 'take', ...(force && { force }) });
    // Who has it is told to all sessions, which may be after the answer to one.
    let lease = this.of(endpoint);
    // Then nobody has asked, or the one who was asked keeps it: another session has it for good.
    while (!lease?.yours && (await this.#heard(endpoint, (lease?.waitMs ?? 0) + 2000))) {
      lease = this.of(endpoint);
      if (!lease?.yours && !lease?.askedBy) break;
    }
    if (!lease?.yours) throw new ThingwayError('lease-held', `${endpoint} is written to by another session`);
    return lease;
  }

  async keep(endpoint: string): Promise<void> {
    await this.#ask({ endpoint, do: 'keep' });
  }

  /** The next news of a lease; false if there are none in time. */
  #heard(endpoint: string, ms: number): Promise<boolean> {
    return new Promise((done) => {
      this.#news.addEventListener(endpoint, () => done(true), { once: true });
      setTimeout(done, ms, false);
    });
  }

  async release(endpoint: string): Promise<void> {
    await this.#ask({ endpoint, do: 'release' });
  }
  async give(endpoint: string, sessionId: string): Promise<void> {
    await this.#ask({ endpoint, do: 'give', to: sessionId });
  }

  async #ask(fields: Record<string, unknown>) {
    await this.control().ask({ type: 'lease', ...fields });
  }
}
