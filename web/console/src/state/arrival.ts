// What the address brought, and the token of this page: known before anything of the page is there.
import { store, stored } from './storage.ts';

const given = new URLSearchParams(location.hash.slice(1));
/** The code of a share link, which is still to be redeemed. */
export const share = given.get('share');
/** Whether the device remembers the token, or this tab only. */
export const isRemembered = (): boolean => held !== null && stored('token') === held;
let held = stored('token', () => sessionStorage) ?? stored('token');

export const heldToken = (): string | null => held;

export function hold(value: string | null, remember: boolean): void {
  held = value;
  store('token', value, () => sessionStorage);
  store('token', remember ? value : null);
}

/** What a link brought; the tab forgets it when it is closed. */
export const brought = given.get('token');
if (brought || share) history.replaceState(null, '', location.pathname + location.search);
// What the device remembers stays: a link from anywhere must not sign it out.
if (brought) {
  held = brought;
  store('token', brought, () => sessionStorage);
}
