// What holds for all terminals.
import { remembered } from '../state/settings.ts';

/** Lines kept above the screen. */
export const scrollback = remembered('scrollback', 5000);
/** All open endpoints beside each other, or one at a time. */
export const split = remembered('split', false);
