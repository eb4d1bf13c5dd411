// What pages send by WHIP: one color, or one tone. These functions run in a page where `prepare` has run.

/** Defines what the others use. */
export function prepare() {
  window.publishTrack = async ({ url, codec, track }) => {
    const pc = new RTCPeerConnection();
    window.published = { pc };
    const transceiver = pc.addTransceiver(track, {
      direction: 'sendonly',
      streams: [new MediaStream([track])],
    });
    const wanted = `${track.kind}/${codec}`.toLowerCase();
    const { codecs } = RTCRtpSender.getCapabilities(track.kind);
    transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType.toLowerCase() === wanted));
    await pc.setLocalDescription();
    await new Promise((done) => {
      pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && done();
      if (pc.iceGatheringState === 'complete') done();
    });
    const headers = { 'Content-Type': 'application/sdp' };
    const response = await fetch(url, { method: 'POST', headers, body: pc.localDescription.sdp });
    const answer = await response.text();
    if (response.status === 201) await pc.setRemoteDescription({ type: 'answer', sdp: answer });
    return { status: response.status, answer };
  };
}

/**
 * Sends a picture of one color, in the given codec. The canvas is painted for every picture, because a canvas
 * that does not change sends none.
 */
export function publishColor({ url, codec, color }) {
  const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 240 });
  const context = canvas.getContext('2d');
  const paint = () => {
    context.fillStyle = color;
    context.fillRect(0, 0, canvas.width, canvas.height);
  };
  paint();
  const [track] = canvas.captureStream(30).getTracks();
  setInterval(paint, 33);
  return window.publishTrack({ url, codec, track });
}

/** Sends a tone. */
export async function publishTone({ url, codec, frequency }) {
  const context = new AudioContext();
  const tone = new OscillatorNode(context, { frequency });
  const destination = context.createMediaStreamDestination();
  tone.connect(destination);
  tone.start();
  await context.resume();
  return window.publishTrack({ url, codec, track: destination.stream.getAudioTracks()[0] });
}
