// Tones: what a page hears, and what a program has recorded.

/**
 * Runs in a page: plays an endpoint's sound. `hearing.strongest()` is then the frequency of its strongest
 * tone, or null while there is silence.
 */
export async function hear({ url, name }) {
  const pc = new RTCPeerConnection();
  window.hearing = { pc, strongest: () => null };
  const arrived = new Promise((done) => {
    pc.ontrack = ({ track }) => done(new MediaStream([track]));
  });
  pc.addTransceiver('audio', { direction: 'recvonly' });
  await pc.setLocalDescription();
  await new Promise((done) => {
    pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && done();
    if (pc.iceGatheringState === 'complete') done();
  });
  const headers = { 'Content-Type': 'application/sdp' };
  const response = await fetch(`${url}/sessions?media=${name}`, {
    method: 'POST',
    headers,
    body: pc.localDescription.sdp,
  });
  const answer = await response.text();
  if (response.status !== 201) return { status: response.status, answer };
  await pc.setRemoteDescription({ type: 'answer', sdp: answer });
  const stream = await arrived;
  // Chromium gives the sound of a peer to an AudioContext only while an element plays it, too.
  const element = Object.assign(new Audio(), { srcObject: stream, muted: true });
  await element.play();
  const context = new AudioContext();
  await context.resume();
  const analyser = new AnalyserNode(context, { fftSize: 32768, smoothingTimeConstant: 0 });
  context.createMediaStreamSource(stream).connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  window.hearing.strongest = () => {
    analyser.getFloatFrequencyData(bins);
    const peak = bins.indexOf(Math.max(...bins));
    return bins[peak] > -50 ? (peak * context.sampleRate) / analyser.fftSize : null;
  };
  return { status: 201, answer };
}

/** The samples of the first channel of a WAV file, which may still be written, and how many come in a second. */
export function samplesOf(wav) {
  const [channels, rate, bits] = [wav.readUInt16LE(22), wav.readUInt32LE(24), wav.readUInt16LE(34)];
  if (wav.readUInt16LE(20) !== 1 || bits !== 16) throw new Error('not 16-bit PCM');
  const begin = wav.indexOf('data') + 8;
  const count = Math.floor((wav.length - begin) / 2 / channels);
  return {
    rate,
    samples: Int16Array.from({ length: count }, (_, n) => wav.readInt16LE(begin + 2 * channels * n)),
  };
}

/** The frequency, of all up to 4 kHz in steps of 2 Hz, that these samples have most of. */
export function strongestTone({ rate, samples }) {
  let best = { power: 0, frequency: 0 };
  for (let frequency = 20; frequency <= Math.min(4000, rate / 2); frequency += 2) {
    let [re, im] = [0, 0];
    for (let n = 0; n < samples.length; n++) {
      const window = 1 - Math.cos((2 * Math.PI * n) / samples.length);
      const angle = (2 * Math.PI * frequency * n) / rate;
      re += window * samples[n] * Math.cos(angle);
      im += window * samples[n] * Math.sin(angle);
    }
    const power = re * re + im * im;
    if (power > best.power) best = { power, frequency };
  }
  return best.frequency;
}
