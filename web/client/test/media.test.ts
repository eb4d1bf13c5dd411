// Which offers are made for pictures and sound, what of it survives a reconnect, and what a refusal becomes.
import { describe, expect, test, vi } from 'vitest';
import { ThingwayError } from '../src/errors.js';
import type { Link } from '../src/link.js';
import { Media } from '../src/media/index.js';
import { unchanged } from '../src/media/unchanged.js';
import type { EndpointInfo } from '../src/types.js';

class Stream {
  #tracks = new Set<Track>();
  constructor(tracks: Track[] = []) {
    for (const track of tracks) this.addTrack(track);
  }
  addTrack = (track: Track) => this.#tracks.add(track);
  removeTrack = (track: Track) => this.#tracks.delete(track);
  getTracks = () => [...this.#tracks];
}
interface Track {
  kind: string;
  of?: string;
  stop(): void;
}
const track = (kind: string, of = 'page'): Track => ({ kind, of, stop() {} });
vi.stubGlobal('MediaStream', Stream);

/** A peer connection that knows its transceivers, and a gateway that answers them as it is told. */
class Line {
  sections: {
    kind: string;
    direction: string;
    stopped: boolean;
    currentDirection: string | null;
    receiver: { track: Track };
    stop(): void;
  }[] = [];
  signalingState = 'stable';
  offers: string[] = [];
  /** Answers of the gateway, in order; the rest is granted. */
  answers: (string | Error | Promise<void>)[] = [];
  said: string[] = [];
  constructor(readonly name: string) {}
  addTransceiver(of: string | Track, { direction }: { direction: string }) {
    const kind = typeof of === 'string' ? of : of.kind;
    const section = {
      kind,
      direction,
      stopped: false,
      currentDirection: null as string | null,
      receiver: { track: track(kind, this.name) },
      stop() {
        section.stopped = true;
      },
    };
    this.sections.push(section);
    return section;
  }
  localDescription = { sdp: 'v=0\r\n' };
  remoteDescription = { sdp: 'v=0\r\nm=' };
  async setLocalDescription() {
    expect(this.signalingState).toBe('stable');
    this.signalingState = 'have-local-offer';
  }
  async setRemoteDescription({ sdp }: { sdp: string }) {
    this.signalingState = 'stable';
    this.answer(sdp);
  }
  answer(sdp: string) {
    for (const section of this.sections)
      if (!section.stopped && !section.currentDirection) {
        if (sdp.includes(section.kind)) section.currentDirection = section.direction;
        else section.currentDirection = 'inactive';
      }
  }
  /** What an offer has in it, besides what it had before. */
  get open() {
    return this.sections
      .filter(({ stopped }) => !stopped)
      .map(({ kind, direction }) => `${kind} ${direction}`);
  }
  asLink(heard: (message: string) => void = () => {}) {
    const peer = this;
    return {
      peer,
      control: {
        async ping() {
          for (const message of peer.said.splice(0)) heard(message);
        },
      },
      async reoffer(media: string) {
        peer.offers.push(`${media}: ${peer.open.join(', ')}`);
        const answer = peer.answers.shift() ?? 'video audio';
        if (answer instanceof Error) throw answer;
        if (typeof answer === 'string') return answer;
        await answer;
        return 'video audio';
      },
    } as unknown as Link;
  }
}

function session(...endpoints: Partial<EndpointInfo>[]) {
  let close = (_: unknown) => {};
  const host = Object.assign(new EventTarget(), {
    known: new Map(endpoints.map((info) => [info.name!, info as EndpointInfo])),
    closed: new Promise((done) => {
      close = done;
    }),
  });
  const of = {
    host,
    close: () => close(null),
    link: undefined as Link | undefined,
    events: [] as unknown[],
    media: undefined as unknown as Media,
    line: undefined as unknown as Line,
    connect(line: Line) {
      of.line = line;
      return line.asLink((text) => of.media.heard(JSON.parse(text)));
    },
    endpoint: (info: Partial<EndpointInfo>) =>
      host.dispatchEvent(new CustomEvent('endpoint', { detail: info })),
  };
  of.media = new Media(host, () => of.link, ThingwayError);
  for (const type of ['media', 'bitrate'])
    host.addEventListener(type, (event) => of.events.push([type, (event as CustomEvent).detail]));
  return of;
}
const camera = { name: 'camera', kind: 'rtp', media: ['video'] } as const;
const room = { name: 'room', kind: 'rtp', media: ['video', 'audio'], takes: ['audio'] } as const;
const settle = async () => {
  for (let turn = 0; turn < 40; turn++) await Promise.resolve();
};
const tracks = (stream: MediaStream) =>
  (stream.getTracks() as unknown as Track[]).map(({ kind, of }) => `${kind} ${of}`);

describe('watching', () => {
  test('offers the kinds that the endpoint sends, and asks once for everybody', async () => {
    const it = session(camera, room);
    it.link = it.connect(new Line('a'));
    const [one, other] = await Promise.all([it.media.watch('camera'), it.media.watch('camera')]);
    expect(one).toBe(other);
    expect(tracks(one)).toEqual(['video a']);
    expect(tracks(await it.media.watch('room'))).toEqual(['video a', 'audio a']);
    expect(it.line.offers).toEqual([
      'media=camera: video recvonly',
      'media=room: video recvonly, video recvonly, audio recvonly',
    ]);
  });
  test('has one offer on its way at a time', async () => {
    const it = session(camera, room);
    it.link = it.connect(new Line('a'));
    let answer = () => {};
    it.line.answers = [new Promise<void>((done) => (answer = done))];
    const both = [it.media.watch('camera'), it.media.watch('room')];
    await settle();
    expect(it.line.offers.length).toBe(1);
    answer();
    await Promise.all(both);
    expect(it.line.offers.length).toBe(2);
  });
  test("is refused with the gateway's reason, and the next offer has no section of it", async () => {
    const it = session(camera, room);
    it.link = it.connect(new Line('a'));
    it.line.answers = ['', new ThingwayError('refused', 'there is no such endpoint', { status: 404 })];
    it.line.said = [
      '{"type":"media","endpoint":"camera","kind":"video","state":"refused","detail":"the peer has only VP8"}',
    ];
    await expect(it.media.watch('camera')).rejects.toMatchObject({
      code: 'refused',
      message: 'the peer has only VP8',
    });
    await expect(it.media.watch('gone')).rejects.toMatchObject({ message: 'there is no such endpoint' });
    expect(it.line.signalingState).toBe('stable');
    await it.media.watch('room');
    expect(it.line.offers.at(-1)).toBe('media=room: video recvonly, audio recvonly');
  });
  test('one kind of two is enough, and the section of the other is given up', async () => {
    const it = session(room, camera);
    it.link = it.connect(new Line('a'));
    it.line.answers = ['audio'];
    expect(tracks(await it.media.watch('room'))).toEqual(['audio a']);
    await it.media.watch('camera');
    expect(it.line.offers.at(-1)).toBe('media=camera: audio recvonly, video recvonly');
  });
  test('ends with `stop`, and can begin again', async () => {
    const it = session(camera);
    it.link = it.connect(new Line('a'));
    await it.media.watch('camera');
    await it.media.stop('camera');
    await it.media.watch('camera');
    expect(it.line.offers).toEqual(['media=camera: video recvonly', ': ', 'media=camera: video recvonly']);
  });
});

describe('after a reconnect', () => {
  test('the first offer carries what is wanted, and the streams stay the same', async () => {
    const it = session(camera, room);
    it.link = it.connect(new Line('a'));
    const [one, other] = [await it.media.watch('camera'), await it.media.watch('room')];
    await it.media.publish('room', new Stream([track('audio'), track('video')]) as unknown as MediaStream);
    it.link = undefined;
    const line = new Line('b');
    const link = it.connect(line);
    expect(it.media.begin(link.peer)).toBe('media=camera,room');
    expect(line.open).toEqual(['video recvonly', 'video recvonly', 'audio recvonly']);
    line.answer('video audio');
    it.link = link;
    it.media.connected(link);
    await settle();
    expect([tracks(one), tracks(other)]).toEqual([['video b'], ['video b', 'audio b']]);
    // The endpoint is in the first offer once; what is sent to it follows.
    expect(line.offers.map((offer) => offer.replace(/.*, /, ''))).toEqual(['audio sendonly']);
  });
  test('what was asked for meanwhile, and what the first answer has not, is asked for alone', async () => {
    const it = session(camera, room);
    it.link = it.connect(new Line('a'));
    await it.media.watch('camera');
    it.link = undefined;
    const later = it.media.watch('room');
    const link = it.connect(new Line('b'));
    it.media.begin(link.peer);
    it.line.answer('');
    it.line.answers = [new ThingwayError('refused', 'full', { status: 503, retryAfter: 1 })];
    it.link = link;
    it.media.connected(link);
    await later;
    expect(it.events).toEqual([
      ['media', { endpoint: 'camera', kind: 'video', state: 'refused', detail: 'full' }],
    ]);
    await vi.waitFor(() =>
      expect(it.line.offers.map((offer) => offer.replace(/:.*/, ''))).toEqual([
        'media=camera',
        'media=room',
        'media=camera',
      ]),
    );
  });
  test('an offer that the loss cut off is made again', async () => {
    const it = session(camera);
    const old = it.connect(new Line('a'));
    it.link = old;
    let fail = (_: Error) => {};
    it.line.answers = [new Promise<void>((_, reject) => (fail = reject))];
    const watched = it.media.watch('camera');
    await settle();
    expect(it.line.offers.length).toBe(1);
    it.link = undefined;
    fail(new TypeError('fetch failed'));
    await settle();
    const link = it.connect(new Line('b'));
    expect(it.media.begin(link.peer)).toBe('media=camera');
    it.line.answer('video');
    it.link = link;
    it.media.connected(link);
    expect(tracks(await watched)).toEqual(['video b']);
  });
  test('a session that is closed rejects what waits', async () => {
    const it = session(camera);
    const watched = it.media.watch('camera');
    it.close();
    await expect(watched).rejects.toMatchObject({ code: 'session-closed' });
    await expect(it.media.watch('camera')).rejects.toMatchObject({ code: 'session-closed' });
  });
});

describe('an offer that was refused', () => {
  const lines = (...all: string[]) => `${all.join('\r\n')}\r\n`;
  test('is answered so that all is as before', () => {
    const session = ['v=0', 'o=- 1 2 IN IP4 0.0.0.0', 's=-', 't=0 0'];
    const data = [
      'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
      'c=IN IP4 0.0.0.0',
      'a=mid:0',
      'a=setup:passive',
    ];
    const playing = [
      'm=video 9 UDP/TLS/RTP/SAVPF 96',
      'c=IN IP4 0.0.0.0',
      'a=mid:1',
      'a=sendonly',
      'a=msid:camera video',
    ];
    const stopped = ['m=audio 0 UDP/TLS/RTP/SAVPF 111', 'c=IN IP4 0.0.0.0', 'a=mid:2', 'a=inactive'];
    const last = lines(...session, 'a=group:BUNDLE 0 1', ...data, ...playing, ...stopped);
    const offer = lines(
      'v=0',
      'a=group:BUNDLE 0 1 4',
      ...[
        'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
        'c=IN IP4 0.0.0.0',
        'a=mid:0',
        'a=setup:actpass',
      ],
      ...['m=video 9 UDP/TLS/RTP/SAVPF 96', 'c=IN IP4 0.0.0.0', 'a=mid:1', 'a=recvonly'],
      ...['m=audio 0 UDP/TLS/RTP/SAVPF 111', 'c=IN IP4 0.0.0.0', 'a=mid:2', 'a=inactive'],
      ...[
        'm=video 9 UDP/TLS/RTP/SAVPF 96',
        'c=IN IP4 0.0.0.0',
        'a=candidate:1',
        'a=mid:4',
        'a=ssrc:1',
        'a=recvonly',
        'a=rtpmap:96 VP8/90000',
      ],
    );
    expect(unchanged(offer, last)).toBe(
      lines(
        ...session,
        'a=group:BUNDLE 0 1',
        ...data,
        ...playing,
        ...stopped,
        ...[
          'm=video 0 UDP/TLS/RTP/SAVPF 96',
          'c=IN IP4 0.0.0.0',
          'a=mid:4',
          'a=rtpmap:96 VP8/90000',
          'a=inactive',
        ],
      ),
    );
  });
});

describe('sending', () => {
  test('offers the tracks that the endpoint takes, and replaces those of before', async () => {
    const it = session(room);
    it.link = it.connect(new Line('a'));
    const stream = new Stream([track('audio'), track('video')]) as unknown as MediaStream;
    await it.media.publish('room', stream);
    const publication = await it.media.publish('room', stream);
    expect(publication).toMatchObject({ endpoint: 'room', stream });
    await publication.stop();
    expect(it.line.offers).toEqual(['media=room: audio sendonly', ': ', 'media=room: audio sendonly', ': ']);
  });
  test('is refused at once if nothing of the stream is taken', async () => {
    const it = session(room, camera);
    it.link = it.connect(new Line('a'));
    const stream = new Stream([track('video')]) as unknown as MediaStream;
    await expect(it.media.publish('room', stream)).rejects.toMatchObject({
      message: 'the stream has no audio for room',
    });
    await expect(it.media.publish('camera', stream)).rejects.toMatchObject({
      message: 'nothing can be sent to camera',
    });
    expect(it.line.offers).toEqual([]);
  });
});

test('an endpoint that was removed and comes again is asked for again', async () => {
  const it = session(camera);
  it.link = it.connect(new Line('a'));
  await it.media.watch('camera');
  it.endpoint({ name: 'camera', state: 'open' });
  it.endpoint({ name: 'camera', state: 'removed' });
  await settle();
  expect(it.line.offers.length).toBe(1);
  it.endpoint({ name: 'camera', state: 'absent' });
  await settle();
  expect(it.line.offers).toEqual(['media=camera: video recvonly', 'media=camera: video recvonly']);
});
test('the events tell of tracks and bit rates', () => {
  const it = session(camera);
  it.media.heard({
    type: 'media',
    endpoint: 'camera',
    kind: 'video',
    mid: '1',
    state: 'waiting',
    detail: 'x',
  });
  it.media.heard({ type: 'bitrate', endpoint: 'camera', kind: 'video', bitrate: 812000 });
  it.media.heard({ type: 'else', endpoint: 'camera' });
  expect(it.events).toEqual([
    ['media', { endpoint: 'camera', kind: 'video', state: 'waiting', detail: 'x' }],
    ['bitrate', { endpoint: 'camera', kind: 'video', bitrate: 812000 }],
  ]);
});
