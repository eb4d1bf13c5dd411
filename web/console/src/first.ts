// The connection of a page that has just been opened, begun before anything of the page is there.
import { connect } from 'thingway';
import { heldToken, share } from './state/arrival.ts';

export const first = share || !('RTCPeerConnection' in globalThis) ? null : connect(location.origin, { token: () => heldToken() ?? '' });
first?.catch(() => {}); // is heard by who takes it over
