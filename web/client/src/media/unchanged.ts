// The answer that a gateway which has refused an offer would have given: everything stays as it was.
//
// A rollback would be the way to forget an offer. But Chromium keeps the places of the sections of an offer that
// was rolled back, and the next sections get mixed up with them. Sections that are rejected are gone for good.

const sections = (sdp: string) => sdp.split(/^(?=m=)/m).slice(1);
const midOf = (section: string) => /^a=mid:(\S+)/m.exec(section)?.[1];
const isRejected = (section: string) => /^m=\S+ 0 /.test(section);

/** An answer to `offer` after which sections are as in `last`, the answer before; what is new is rejected. */
export function unchanged(offer: string, last: string): string {
  const known = new Map(sections(last).map((section) => [midOf(section), section]));
  const answered = sections(offer).map((section) =>
    isRejected(section) ? reject(section) : (known.get(midOf(section)) ?? reject(section)),
  );
  const bundle = answered.filter((section) => !isRejected(section)).map(midOf);
  const session = last.slice(0, last.search(/^m=/m));
  return session.replace(/^a=group:BUNDLE.*/m, `a=group:BUNDLE ${bundle.join(' ')}`) + answered.join('');
}

function reject(section: string): string {
  const lines = section.split('\r\n').filter((line) => /^(m=|c=|a=(mid|rtpmap|fmtp|rtcp-mux))/.test(line));
  return `${[...lines, 'a=inactive'].join('\r\n').replace(/^(m=\S+) \d+/, '$1 0')}\r\n`;
}
