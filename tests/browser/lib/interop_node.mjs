// A child process with one of the WebRTC stacks for Node: `node interop_node.mjs MODULE WISH`. Prints what
// came of the visit.
import { createRequire } from 'node:module';
import { visit } from './interop_w3c.js';

const { RTCPeerConnection } = createRequire(import.meta.url)(process.argv[2]);
const needsBuffer = process.argv[2] === 'werift';
const told = await visit(JSON.parse(process.argv[3]), {
  RTCPeerConnection,
  fetch,
  ...(needsBuffer && { Buffer }),
});
process.stdout.write(JSON.stringify(told), () => process.exit(0));
