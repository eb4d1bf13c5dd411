// Where the page begins: the connection first, because it waits for the network. All that is to be seen comes meanwhile.
import { connect } from 'thingway';
import { heldToken, share } from './state/arrival.ts';

const first = share || !('RTCPeerConnection' in globalThis) ? null : connect(location.origin, { token: () => heldToken() ?? '' });
first?.catch(() => {}); // is heard by who takes it over
// A new version of the gateway may have come between the page and its parts.
import('./main.tsx').then(({ show }) => show(first), () => location.reload());
// A link with a token, opened in a page that is there already, changes the fragment only.
addEventListener('hashchange', () => {
  if (/^#(token|share)=/.test(location.hash)) location.reload();
});
