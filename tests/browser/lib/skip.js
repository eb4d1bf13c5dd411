// Tests that need what not every machine has.
import assert from 'node:assert/strict';

/**
 * Leaves a test out and says why. With THINGWAY_TESTS_ALL=1, as in CI, the test fails instead: a test that is
 * not run proves nothing.
 */
export function skip(t, why) {
  if (process.env.THINGWAY_TESTS_ALL === '1')
    assert.fail(`THINGWAY_TESTS_ALL=1 lets no test be skipped: ${why}`);
  t.skip(why);
}
