// Credit of one channel: how many bytes it may have sent in all, and what follows from the grants
// (docs/control.md, "Credit").

export class Credit {
  /** Bytes sent on this channel. */
  sent = 0;
  #limit = 0;
  #window = 0;

  /** Grants only grow; one that is late or repeated is harmless. The first is the gateway's window. */
  grant(limit: number) {
    this.#window ||= limit;
    if (limit > this.#limit) this.#limit = limit;
  }

  /** Whether there was a grant at all. */
  get granted() {
    return this.#limit > 0;
  }

  /** Bytes that may be sent now. */
  get left() {
    return Math.max(0, this.#limit - this.sent);
  }

  /** Bytes that the gateway has not told to have left its queue: what may be lost if it is gone now. */
  get unconfirmed() {
    // An unreliable channel has a limit that is never reached, and nothing can be told from it.
    return this.#limit >= Number.MAX_SAFE_INTEGER ? 0 : Math.max(0, this.sent - (this.#limit - this.#window));
  }
}
