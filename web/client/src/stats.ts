// Which path a connection uses, out of the reports of getStats(), which no two browsers fill in alike.
import type { Candidate, SessionStats } from './types.js';

// biome-ignore lint/suspicious/noExplicitAny: browsers differ in the fields and in their types
type Report = Record<string, any>;

export async function stats(peer: RTCPeerConnection): Promise<SessionStats> {
  const report = await peer.getStats();
  const all = new Map<string, Report>();
  report.forEach((entry: Report) => void all.set(entry['id'], entry));
  const entries = [...all.values()];
  const of = (type: string) => entries.filter((entry) => entry['type'] === type);
  const transport = of('transport')[0];
  const pair =
    all.get(transport?.['selectedCandidatePairId'])
    ?? of('candidate-pair').find(
      (entry) => entry['selected'] || (entry['nominated'] && entry['state'] === 'succeeded'),
    );
  const local = all.get(pair?.['localCandidateId']);
  const remote = all.get(pair?.['remoteCandidateId']);
  // Chromium leaves what was received at 0 in its pair, others have no transport: the largest is nearest.
  const bytes = (field: string) =>
    Math.max(
      pair?.[field] ?? 0,
      transport?.[field] ?? 0,
      of('data-channel').reduce((total, entry) => total + (entry[field] ?? 0), 0),
    );
  const fingerprint = /^a=fingerprint:(.*)/m.exec(peer.remoteDescription?.sdp ?? '')?.[1]?.trim() ?? null;
  return {
    candidatePair:
      local && remote
        ? {
            local: candidate(local),
            remote: candidate(remote),
            relayed: local['candidateType'] === 'relay' || remote['candidateType'] === 'relay',
            protocol: String(local['relayProtocol'] ?? local['protocol'] ?? 'udp').toLowerCase(),
          }
        : null,
    roundTripTime:
      typeof pair?.['currentRoundTripTime'] === 'number' ? pair['currentRoundTripTime'] * 1000 : null,
    bytesSent: bytes('bytesSent'),
    bytesReceived: bytes('bytesReceived'),
    fingerprint,
    report,
  };
}

const candidate = (entry: Report): Candidate => ({
  // A browser may keep its own address to itself.
  address: entry['address'] ?? entry['ip'] ?? '',
  port: entry['port'] ?? 0,
  type: entry['candidateType'] ?? '',
});
