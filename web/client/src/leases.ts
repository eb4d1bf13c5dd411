// Leases: who may write to an endpoint where only one session may (docs/control.md, "Leases").
import type { Control } from './control.js';
import { ThingwayError } from './errors.js';
import type { Lease, Leases } from './types.js';

export class Leasing implements Leases {
  #known = new Map<string, Lease>();
  #news = new EventTarget();
  constructor(private control: () => Control) {}

  of(endpoint: string): Lease | undefined { return this.#known.get(endpoint); }
  heard(lease: Lease) {
    this.#known.set(lease.endpoint, lease);
    this.#news.dispatchEvent(new Event(lease.endpoint));
  }
  forget(endpoint: string) { this.#known.delete(endpoint); }
  clear() { this.#known.clear(); }

  async take(endpoint: string, { force = false }: { force?: boolean } = {}): Promise<Lease> {
    await this.#ask({ endpoint, do: 'take', ...(force && { force }) });
    // Who has it is told to all sessions, which may be after the answer to one.
    if (!this.of(endpoint)?.yours) {
      await new Promise((done) => {
        this.#news.addEventListener(endpoint, done, { once: true });
        setTimeout(done, 2000);
      });
    }
    const lease = this.of(endpoint);
    // It is ours, but another session can have taken it since.
    if (!lease?.yours) throw new ThingwayError('lease-held', `${endpoint} was taken by another session`);
    return lease;
  }

  async release(endpoint: string): Promise<void> { await this.#ask({ endpoint, do: 'release' }); }
  async give(endpoint: string, sessionId: string): Promise<void> { await this.#ask({ endpoint, do: 'give', to: sessionId }); }

  async #ask(fields: Record<string, unknown>) {
    await this.control().ask({ type: 'lease', ...fields });
  }
}
