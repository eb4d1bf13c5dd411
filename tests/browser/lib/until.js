// Waiting, always bounded: a test that cannot pass must fail with a sentence, not hang.
import { setTimeout as sleep } from 'node:timers/promises';

/** Asks `condition` again and again until it gives something truthy, and returns that. */
export async function until(what, condition, milliseconds = 8000) {
  const deadline = Date.now() + milliseconds;
  let last;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`not within ${milliseconds} ms: ${what} (last: ${last})`);
    await sleep(25);
  }
}
