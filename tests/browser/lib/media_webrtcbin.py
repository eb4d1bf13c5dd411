"""A viewer with GStreamer's webrtcbin: it asks for an endpoint's picture in one codec, decodes it, and prints the color in the middle of each
picture as a line of JSON, until it is ended. The first line is the answer's status. The wish comes as JSON.

As interop_webrtcbin.py explains, it is given a certificate with an ECDSA key, and the fingerprint in its offer is corrected."""

import hashlib
import queue
import re
import ssl
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

import media_viewer as viewer  # noqa: E402


def with_fingerprint(offer, pem):
    end = "-----END CERTIFICATE-----"
    der = ssl.PEM_cert_to_DER_cert(pem[: pem.index(end)] + end)
    fingerprint = ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest())
    return re.sub("(?<=a=fingerprint:sha-256 )[0-9A-F:]+", fingerprint, offer)


def description(kind, text):
    _, message = GstSdp.SDPMessage.new_from_text(text)
    return GstWebRTC.WebRTCSessionDescription.new(kind, message)


def offer_of(webrtc):
    """The text has to be taken within the promise, and what it is in be kept until then: the bindings free it otherwise."""
    made = queue.Queue()

    def described(promise, *_):
        reply = promise.get_reply()
        offer = reply.get_value("offer")
        made.put(offer.sdp.as_text())

    webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(described))
    text = made.get(timeout=40)
    webrtc.emit("set-local-description", description(GstWebRTC.WebRTCSDPType.OFFER, text), None)
    return text


def color_of(sample):
    caps, buffer = sample.get_caps().get_structure(0), sample.get_buffer()
    width, height = caps.get_value("width"), caps.get_value("height")
    pixels = buffer.extract_dup(0, buffer.get_size())
    return viewer.middle_of(pixels, (width * 3 + 3) // 4 * 4, width, height)


def main():
    asked = viewer.wish()
    Gst.init(None)
    loop = GLib.MainLoop()
    threading.Thread(target=loop.run, daemon=True).start()
    pipeline = Gst.Pipeline.new("viewer")
    webrtc = Gst.ElementFactory.make("webrtcbin", "webrtc")
    pipeline.add(webrtc)

    def added(_bin, _sub_bin, element):
        if element.get_factory() and element.get_factory().get_name() == "dtlsdec":
            element.set_property("pem", asked["pem"])

    pipeline.connect("deep-element-added", added)

    def on_sample(sink):
        viewer.say({"color": color_of(sink.emit("pull-sample"))})
        return Gst.FlowReturn.OK

    def on_pad(_webrtc, pad):
        sink = "decodebin name=decoder ! videoconvert ! video/x-raw,format=RGB ! appsink name=pictures emit-signals=true sync=false"
        picture = Gst.parse_bin_from_description(sink, False)
        # The pad behind decodebin is without a partner, too, until there is something to decode.
        picture.add_pad(Gst.GhostPad.new("sink", picture.get_by_name("decoder").get_static_pad("sink")))
        picture.get_by_name("pictures").connect("new-sample", on_sample)
        pipeline.add(picture)
        picture.sync_state_with_parent()
        pad.link(picture.get_static_pad("sink"))

    gathered, candidates = queue.Queue(), []
    webrtc.connect("pad-added", on_pad)
    webrtc.connect("on-ice-candidate", lambda _bin, _line, text: candidates.append(text))
    complete = GstWebRTC.WebRTCICEGatheringState.COMPLETE

    def gathering(element, _property):
        if element.get_property("ice-gathering-state") == complete:
            gathered.put(None)

    webrtc.connect("notify::ice-gathering-state", gathering)
    pipeline.set_state(Gst.State.PLAYING)
    caps = f"application/x-rtp,media=video,encoding-name={asked['codec']},payload=96,clock-rate=90000"
    direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
    webrtc.emit("add-transceiver", direction, Gst.Caps.from_string(caps))
    offer = offer_of(webrtc)
    gathered.get(timeout=40)
    # There is one section, so every candidate is its own.
    offer += "".join(f"a={text}\r\n" for text in candidates if text)
    status, answer = viewer.post(asked["url"], with_fingerprint(offer, asked["pem"]))
    viewer.say({"status": status, "answer": answer})
    if status == 201:
        webrtc.emit("set-remote-description", description(GstWebRTC.WebRTCSDPType.ANSWER, answer), None)
        threading.Event().wait()


main()
