// libdatachannel for Node: a third implementation of DataChannels, beside those of the two browsers.
import { createRequire } from 'node:module';
import nodeDataChannel from 'node-datachannel';

export const library = nodeDataChannel;
export const version = createRequire(import.meta.url)('../package.json').dependencies['node-datachannel'];

/** What a peer tells of itself: its first description, its candidates so far, and when it has all of them. */
export function describing(peer) {
  const candidates = [];
  peer.onLocalCandidate((candidate) => candidates.push(candidate));
  const described = new Promise((done) => {
    peer.onLocalDescription(done);
  });
  const gathered = new Promise((done) => {
    peer.onGatheringStateChange((state) => {
      if (state === 'complete') done();
    });
  });
  return { described, candidates, gathered };
}
