// What pages send: one color, or one tone. These functions run in a page.

/**
 * Sends a picture of one color by WHIP, in the given codec. Resolves to the status of the answer. The canvas is
 * painted for every picture, because a canvas that does not change sends none.
 */
export async function publishColor({ url, codec, color }) {
  const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 240 });
  const context = canvas.getContext('2d');
  const paint = () => {
    context.fillStyle = color;
    context.fillRect(0, 0, canvas.width, canvas.height);
  };
  paint();
  const stream = canvas.captureStream(30);
  setInterval(paint, 33);
  const pc = new RTCPeerConnection();
  window.published = { pc };
  const transceiver = pc.addTransceiver(stream.getTracks()[0], { direction: 'sendonly', streams: [stream] });
  const { codecs } = RTCRtpSender.getCapabilities('video');
  transceiver.setCodecPreferences(
    codecs.filter(({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`.toLowerCase()),
  );
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
