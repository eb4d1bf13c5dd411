// The connection of a page that has just been opened, and the terminals that its address names, begun before anything of the page
// is there.
import { connect, type Port, type Session } from 'thingway';
import { namedIn } from './state/address.ts';
import { heldToken, share } from './state/arrival.ts';

export interface First {
  session: Promise<Session>;
  /** Each is taken over by the one who opens the endpoint first. */
  ports: Map<string, Promise<Port>>;
}

function begin(): First {
  const names = namedIn(location.hash);
  const session = connect(location.origin, { token: () => heldToken() ?? '', open: names });
  const opened = async (name: string) => [...(await session).ports].find(({ endpoint }) => endpoint === name) ?? (await session).open(name);
  const ports = new Map(names.map((name) => [name, opened(name)]));
  for (const begun of [session, ...ports.values()]) begun.catch(() => {}); // is heard by who takes it over
  return { session, ports };
}

export const first = share || !('RTCPeerConnection' in globalThis) ? null : begin();
