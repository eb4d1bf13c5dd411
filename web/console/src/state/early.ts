// What came in the page itself (begin.ts), for the parts that were loaded: one token, one connection, one
// library.
import type { Early } from '../begin.ts';
export type { Later } from '../begin.ts';

export const { brought, connect, first, heldToken, hold, isRemembered, leaving, parts, share } = (
  globalThis as unknown as { early: Early }
).early;
