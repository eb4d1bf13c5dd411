// Makes tests/golden/offers/ anew, from the real implementations: node tests/golden/capture.mjs
// Each offers one reliable DataChannel, once at once (trickle) and once with all candidates gathered.
import { mkdirSync, writeFileSync } from 'node:fs';
import { browsers } from '../browser/lib/browsers.js';
import { library, version } from '../browser/lib/datachannel.js';

const offers = new URL('offers/', import.meta.url);

/** Documentation addresses in place of this machine's, and nothing else changed: not a line, not a line end. */
function anonymous(sdp) {
  return sdp
    .replace(/\b(?!0\.0\.0\.0|127\.)\d{1,3}(?:\.\d{1,3}){3}\b/g, '192.0.2.1')
    .replace(/(?<= )(?!::1 )[\da-f]{1,4}(?::[\da-f]{0,4}){2,7}(?= \d+ typ|\r)/gi, '2001:db8::1');
}

function keep(name, sdp) {
  writeFileSync(new URL(`${name}.sdp`, offers), anonymous(sdp));
  console.log(`${name}.sdp`);
}

mkdirSync(offers, { recursive: true });
const hooks = [];
const t = { after: (hook) => hooks.unshift(hook) };
try {
  for (const launch of Object.values(browsers)) {
    const browser = await launch(t);
    const page = await browser.newPage();
    const { trickle, gathered } = await page.evaluate(async () => {
      const peer = new RTCPeerConnection();
      peer.createDataChannel('demo');
      const complete = new Promise((done) => {
        peer.onicegatheringstatechange = () => { if (peer.iceGatheringState === 'complete') done(); };
        setTimeout(done, 10000);
      });
      const offer = await peer.createOffer();
      await peer.setLocalDescription(offer);
      await complete;
      const gathered = peer.localDescription.sdp;
      peer.close();
      return { trickle: offer.sdp, gathered };
    });
    const name = `${browser.name}-${browser.version.split('.')[0]}`;
    keep(`${name}-trickle`, trickle);
    keep(`${name}-gathered`, gathered);
  }

  const peer = new library.PeerConnection('capture', { iceServers: [] });
  const trickle = new Promise((done) => { peer.onLocalDescription(done); });
  const complete = new Promise((done) => {
    peer.onGatheringStateChange((state) => { if (state === 'complete') done(); });
  });
  const channel = peer.createDataChannel('demo');
  keep(`node-datachannel-${version}-trickle`, await trickle);
  await complete;
  keep(`node-datachannel-${version}-gathered`, peer.localDescription().sdp);
  channel.close();
  peer.close();
  library.cleanup();
} finally {
  for (const hook of hooks) await hook();
}
