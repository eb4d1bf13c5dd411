"""One visit of GStreamer's webrtcbin to the gateway: what interop_w3c.js does. The wish comes as JSON, what came of it goes out as JSON.

By itself webrtcbin makes a certificate with an RSA key, which the gateway does not take; with `"pem"` in the wish its DTLS elements are given
that one. The interpreter is the system's, which has the bindings."""

import hashlib
import json
import os
import queue
import re
import ssl
import sys
import threading
import time
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402


def ask(method, url, body=None, kind=None):
    request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": kind} if kind else {})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def await_(promised, what, seconds=40):
    try:
        return promised.get(timeout=seconds)
    except queue.Empty:
        raise RuntimeError(f"{what}: nothing within {seconds} s") from None


def await_that(holds, what, seconds=40):
    for _ in range(seconds * 50):
        if holds():
            return
        time.sleep(0.02)
    raise RuntimeError(f"{what}: nothing within {seconds} s")


def is_gathered(offer, candidates):
    """Whether every section has its candidates. webrtcbin says "complete" as soon as one transport is, and later ones go on; all
    have the same interfaces, and so equally many candidates."""
    lines = [line for line, text in candidates if text]
    counts = {lines.count(index) for index in range(offer.count("\nm="))}
    return len(counts) == 1 and 0 not in counts


def with_certificate(pem):
    def added(_bin, _sub_bin, element):
        if element.get_factory() and element.get_factory().get_name() == "dtlsdec":
            element.set_property("pem", pem)

    return added


def with_fingerprint(offer, pem):
    """webrtcbin 1.22 hashes the key of a PEM along with the certificate."""
    end = "-----END CERTIFICATE-----"
    der = ssl.PEM_cert_to_DER_cert(pem[: pem.index(end)] + end)
    fingerprint = ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest())
    return re.sub("(?<=a=fingerprint:sha-256 )[0-9A-F:]+", fingerprint, offer)


def offer_of(webrtc):
    """The text has to be taken within the promise: the bindings free the description behind it."""
    made = queue.Queue()

    def described(promise, *_):
        reply = promise.get_reply()
        offer = reply.get_value("offer")
        made.put(offer.sdp.as_text())

    webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(described))
    text = await_(made, "an offer")
    webrtc.emit("set-local-description", description(GstWebRTC.WebRTCSDPType.OFFER, text), None)
    return text


def description(kind, text):
    _, message = GstSdp.SDPMessage.new_from_text(text)
    return GstWebRTC.WebRTCSessionDescription.new(kind, message)


def with_candidates(offer, candidates):
    """What `local-description` says then, which the bindings cannot read without a crash."""
    head, *sections = offer.split("m=")
    for index, section in enumerate(sections):
        of_it = [f"a={text}\r\n" for line, text in candidates if line == index and text]
        sections[index] = section + "".join(of_it)
    return "m=".join([head, *sections])


def open_channel(webrtc):
    channel = webrtc.emit("create-data-channel", "echo", None)
    opened, closed, heard = queue.Queue(), queue.Queue(), queue.Queue()
    channel.connect("on-open", lambda *_: opened.put(None))
    channel.connect("on-close", lambda *_: closed.put(None))
    channel.connect("on-message-data", lambda _channel, data: heard.put(data.get_data()))
    return channel, opened, closed, heard


def visit(wish, told):
    pipeline = Gst.Pipeline.new("visit")
    webrtc = Gst.ElementFactory.make("webrtcbin", "webrtc")
    pipeline.add(webrtc)
    if wish["media"]:
        source = Gst.parse_bin_from_description("audiotestsrc is-live=true ! opusenc ! rtpopuspay pt=97", True)
        pipeline.add(source)
        source.link(webrtc)
    if wish.get("pem"):
        pipeline.connect("deep-element-added", with_certificate(wish["pem"]))
    gathered, candidates = queue.Queue(), []
    webrtc.connect("on-ice-candidate", lambda _bin, line, text: candidates.append((line, text)))
    complete = GstWebRTC.WebRTCICEGatheringState.COMPLETE

    def gathering(element, _property):
        if element.get_property("ice-gathering-state") == complete:
            gathered.put(None)

    webrtc.connect("notify::ice-gathering-state", gathering)
    pipeline.set_state(Gst.State.PLAYING)
    if wish["media"]:
        caps = Gst.Caps.from_string("application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000")
        webrtc.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, caps)
        # An offer before the sound has its format has no section for it.
        await_that(lambda: all(pad.get_current_caps() for pad in webrtc.sinkpads), "the format of the sound")
    channels = [open_channel(webrtc), open_channel(webrtc)]
    told["offer"] = offer_of(webrtc)
    if not wish["trickle"]:
        told["step"] = "gathered"
        await_(gathered, "candidates")
        await_that(lambda: is_gathered(told["offer"], candidates), "candidates of every section")
        told["offer"] = with_candidates(told["offer"], candidates)
    if wish.get("pem"):
        told["offer"] = with_fingerprint(told["offer"], wish["pem"])
    told["step"] = "answer"
    status, headers, answer = ask("POST", wish["url"] + "/sessions", told["offer"].encode(), "application/sdp")
    told["answer"] = answer
    if status != 201:
        raise RuntimeError(f"{status} {answer}")
    location = wish["url"] + headers["Location"]
    taken = queue.Queue()

    def replied(promise, *_):
        reply = promise.get_reply()
        taken.put(reply.to_string() if reply else "")

    promise = Gst.Promise.new_with_change_func(replied)
    webrtc.emit("set-remote-description", description(GstWebRTC.WebRTCSDPType.ANSWER, answer), promise)
    refusal = await_(taken, "what it says of the answer")
    if refusal:
        raise RuntimeError(refusal)
    if wish["trickle"]:
        told["step"] = "candidates"
        await_(gathered, "candidates")
        await_that(lambda: is_gathered(told["offer"], candidates), "candidates of every section")
        lines = told["offer"].splitlines()
        data = next(at for at, line in enumerate(lines) if line.startswith("m=application"))
        index = sum(line.startswith("m=") for line in lines[:data])
        section = lines[data:]
        keep = [next(line for line in section if line.startswith(name)) for name in ("a=ice-ufrag:", "a=ice-pwd:", "m=", "a=mid:")]
        keep += [f"a={text}" for line, text in candidates if line == index and text]
        fragment = "\r\n".join([*keep, "a=end-of-candidates", ""])
        status, _, body = ask("PATCH", location, fragment.encode(), "application/trickle-ice-sdpfrag")
        if status != 204:
            raise RuntimeError(f"{status} {body}")
    told["step"] = "open"
    for _channel, opened, _closed, _heard in channels:
        await_(opened, "an open channel", wish.get("patience", 40))
    channel, _, closed, heard = channels[0]
    for size in wish["sizes"]:
        told["step"] = f"{size} bytes"
        message = bytes((i * 31 + (i >> 8) + size) & 255 for i in range(size))
        channel.emit("send-data", GLib.Bytes.new(message))
        if hashlib.sha256(await_(heard, "an echo")).digest() != hashlib.sha256(message).digest():
            raise RuntimeError("other bytes came back")
        told["moved"].append(size)
    told["step"] = "closed from here"
    channel.emit("close")
    await_(closed, "an end")
    told["step"] = "closed by the gateway"
    ask("DELETE", location)
    # It tells nobody on the channel, only of the transport below.
    transport = webrtc.get_property("sctp-transport").get_property("transport")
    for _ in range(800):
        if transport.get_property("state") == GstWebRTC.WebRTCDTLSTransportState.CLOSED:
            told["step"] = "done"
            return
        time.sleep(0.05)
    raise RuntimeError("its transport stays open")


def main():
    Gst.init(None)
    told = {"step": "offer", "moved": [], "version": Gst.version_string()}
    loop = GLib.MainLoop()
    threading.Thread(target=loop.run, daemon=True).start()
    try:
        visit(json.loads(sys.argv[1]), told)
    except Exception as error:
        told["error"] = repr(error)
    print(json.dumps(told), flush=True)
    # Without it the interpreter takes the elements apart in an order of its own, and crashes.
    os._exit(0)


main()
