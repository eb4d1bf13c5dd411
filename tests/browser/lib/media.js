// Programs that speak RTP, and what a page sees of their pictures.
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** A local UDP port that is free, and the one after it too. */
export async function freePorts() {
  for (;;) {
    const first = createSocket('udp4').bind(0, '127.0.0.1');
    await once(first, 'listening');
    const { port } = first.address();
    const second = createSocket('udp4');
    const isFree = await new Promise((done) => {
      second.once('error', () => done(false));
      second.bind(port + 1, '127.0.0.1', () => done(port < 65000));
    });
    first.close();
    if (!isFree) continue;
    second.close();
    return port;
  }
}

export const rtpEndpoint = (name, kind, codec, port, more = '') =>
  `[[endpoint]]\nname = "${name}"\nkind = "rtp"\n[endpoint.${kind}]\nlisten = "127.0.0.1:${port}"\n`
  + `codec = "${codec}"\n${more}`;

/** The encoders and payloaders of GStreamer. A keyframe comes every second. */
const encoders = {
  H264: 'x264enc tune=zerolatency speed-preset=ultrafast bitrate=800 key-int-max=30 ! video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1 pt=96 mtu=1200',
  VP8: 'vp8enc deadline=1 keyframe-max-dist=30 ! rtpvp8pay pt=96 mtu=1200',
  VP9: 'vp9enc deadline=1 cpu-used=8 keyframe-max-dist=30 ! rtpvp9pay pt=96 mtu=1200',
};

/** A camera that sees one color. It ends with the test, or by `stop`. */
export class Camera {
  static start(t, { codec, port, color = 0xffc81e1e, size = [320, 240] }) {
    const camera = new Camera();
    const [width, height] = size;
    const source =
      `videotestsrc is-live=true pattern=solid-color foreground-color=${color} ! `
      + `video/x-raw,width=${width},height=${height},framerate=30/1 ! videoconvert ! video/x-raw,format=I420`;
    camera.#run(t, `${source} ! ${encoders[codec]}`, port);
    return camera;
  }

  /** A microphone that hears one tone, in Opus. */
  static hear(t, { port }) {
    const microphone = new Camera();
    const source = 'audiotestsrc is-live=true ! audioconvert ! audio/x-raw,rate=48000,channels=2';
    microphone.#run(t, `${source} ! opusenc ! rtpopuspay pt=96`, port);
    return microphone;
  }

  #run(t, pipeline, port) {
    const words = `${pipeline} ! udpsink host=127.0.0.1 port=${port} sync=false`.split(' ');
    this.process = spawn('gst-launch-1.0', ['-q', ...words], { stdio: ['ignore', 'ignore', 'inherit'] });
    t.after(() => this.stop());
  }

  async stop() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill('SIGKILL');
    await once(this.process, 'exit');
  }
}

/** How to start a browser with a camera and a microphone that nobody has to allow. */
export const fakeMedia = {
  flags: ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
};

/** A program that only counts what it gets, by payload type and SSRC. */
export async function listen(t) {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  const heard = { port: socket.address().port, streams: new Map(), sequences: [] };
  socket.on('message', (packet) => {
    if (packet[1] >= 192 && packet[1] < 224) return;
    const key = `${packet[1] & 127} ${packet.readUInt32BE(8)}`;
    heard.streams.set(key, (heard.streams.get(key) ?? 0) + 1);
    heard.sequences.push(packet.readUInt16BE(2));
  });
  return heard;
}

/** Runs in a page: watches an endpoint, and resolves when its first picture is there. */
export async function watch({ url, name }) {
  const pc = new RTCPeerConnection();
  const video = Object.assign(document.createElement('video'), { muted: true, playsInline: true });
  document.body.append(video);
  window.watched = { pc, video };
  const arrived = new Promise((done) => {
    pc.ontrack = ({ track, streams }) => {
      video.srcObject = new MediaStream([track]);
      done(streams.map((stream) => stream.id));
    };
  });
  pc.addTransceiver('video', { direction: 'recvonly' });
  pc.createDataChannel('thingway');
  await pc.setLocalDescription();
  await new Promise((done) => {
    pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && done();
    if (pc.iceGatheringState === 'complete') done();
  });
  const response = await fetch(`${url}/sessions?media=${name}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/sdp' },
    body: pc.localDescription.sdp,
  });
  const answer = await response.text();
  if (response.status !== 201) return { status: response.status, answer };
  await pc.setRemoteDescription({ type: 'answer', sdp: answer });
  const streams = await arrived;
  await video.play();
  await new Promise((done) => video.requestVideoFrameCallback(done));
  return { status: 201, answer, streams };
}

/**
 * Runs in a page: the color in the middle of a picture, and the picture's size; black while there is none. Without a
 * selector it is the picture of `watch`.
 */
export function look(selector) {
  const video = selector ? document.querySelector(selector) : window.watched.video;
  if (!video?.videoWidth) return { color: [0, 0, 0], size: [0, 0] };
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0);
  const [red, green, blue] = context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
  return { color: [red, green, blue], size: [video.videoWidth, video.videoHeight] };
}

/** A page of the gateway's own origin, where the functions below and in media_senders.js and media_sound.js run. */
export async function pageOf(browser, url) {
  const page = await browser.newPage();
  await page.goto(`${url}/healthz`);
  return page;
}

/** Runs in a page: sends its camera to the given address, as WHIP says. Resolves to the status of the answer. */
export async function publish({ url }) {
  const pc = new RTCPeerConnection();
  window.published = { pc };
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 240 } });
  pc.addTransceiver(stream.getVideoTracks()[0], { direction: 'sendonly', streams: [stream] });
  await pc.setLocalDescription();
  await new Promise((done) => {
    pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && done();
    if (pc.iceGatheringState === 'complete') done();
  });
  const headers = { 'Content-Type': 'application/sdp' };
  const response = await fetch(url, { method: 'POST', headers, body: pc.localDescription.sdp });
  const answer = await response.text();
  if (response.status === 201) await pc.setRemoteDescription({ type: 'answer', sdp: answer });
  return response.status;
}
