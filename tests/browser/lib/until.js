// Waiting, always bounded: a test that cannot pass must fail with a sentence, not hang. The bounds end a hang
// and judge nothing. A quiet machine needs a tenth of them at most, so that one which is ten times slower
// passes all the same.
import { setTimeout as sleep } from 'node:timers/promises';

/** For one event, in ms. */
export const bound = 60_000;
/** For a whole test, in ms: several events, one after another. */
export const testBound = 15 * bound;

/** Thrown by a condition that can never become true any more: waiting ends at once. */
export class Hopeless extends Error {}

/** Asks `condition` again and again until it gives something truthy, and returns that. */
export async function until(what, condition, milliseconds = bound) {
  const deadline = Date.now() + milliseconds;
  let last;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      last = value;
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`not within ${milliseconds} ms: ${what} (last: ${last})`);
    await sleep(25);
  }
}
