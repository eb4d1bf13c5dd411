// How soon Chromium shows a picture of a camera that has been running: GStreamer, with five seconds from one keyframe
// to the next, so that whoever had to wait for one would be seen to wait.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from '../../tests/browser/lib/browsers.js';
import { forwarders, source } from './forwarders.mjs';

const PIPELINE =
  'videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=480,framerate=30/1 ! videoconvert ! '
  + 'video/x-raw,format=I420 ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=1000 key-int-max=150 ! '
  + 'video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1 pt=96 mtu=1200 ! '
  + `udpsink host=${source.host} port=${source.port} sync=false`;

/** In the page. Milliseconds from the answer, and from the beginning, to the first picture. */
async function watch(url) {
  const began = performance.now();
  const pc = new RTCPeerConnection();
  const video = Object.assign(document.createElement('video'), { muted: true, playsInline: true });
  document.body.append(video);
  pc.ontrack = ({ track }) => {
    video.srcObject = new MediaStream([track]);
    video.play();
  };
  pc.addTransceiver('video', { direction: 'recvonly' });
  await pc.setLocalDescription();
  await new Promise((done) => {
    pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && done();
    if (pc.iceGatheringState === 'complete') done();
  });
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/sdp' },
    body: pc.localDescription.sdp,
  });
  const sdp = await response.text();
  if (response.status !== 201) throw new Error(sdp);
  const answered = performance.now();
  const shown = new Promise((done) => video.requestVideoFrameCallback((now) => done(now)));
  await pc.setRemoteDescription({ type: 'answer', sdp });
  const now = await shown;
  pc.close();
  video.remove();
  return { answered: now - answered, began: now - began };
}

/** Each time in a page of its own. */
export async function firstPictures(times) {
  const ends = [];
  const server = await forwarders.thingway();
  const camera = spawn('gst-launch-1.0', ['-q', ...PIPELINE.split(' ')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const results = [];
  try {
    const browser = await chromium({ after: (end) => ends.push(end) });
    await sleep(3000);
    for (let n = 0; n < times + 1; n++) {
      const page = await browser.newPage();
      await page.goto(new URL('/healthz', server.url).href);
      const result = await page.evaluate(watch, server.url);
      if (n > 0) results.push(result); // the first one starts the browser's decoder
      await page.close();
      // Another place between two keyframes each time.
      await sleep(700);
    }
  } finally {
    for (const end of ends) await end().catch(() => {});
    const ended = once(camera, 'exit');
    camera.kill('SIGKILL');
    await ended;
    await server.stop();
  }
  return results;
}
