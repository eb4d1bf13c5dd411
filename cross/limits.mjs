// What docs/budgets.md promises of a program, for cross/weigh.mjs and tests/check-budgets.mjs.

/**
 * Bytes of the stripped program, and kB of RAM of a daemon that is idle, by the target that the program is
 * for.
 */
export function limits(target) {
  if (target.startsWith('x86')) return { bytes: 10_000_000, rss: 8192 };
  if (target.startsWith('aarch64')) return { bytes: 9_000_000, rss: 8192 };
  return { bytes: 7_000_000, rss: 6144 };
}

/** kB of RAM that belong to the idle daemon alone, for every target. */
export const ANONYMOUS = 2048;
