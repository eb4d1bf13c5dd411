"""One visit of aiortc to the gateway: what interop_w3c.js does, with the library for Python. The wish comes as JSON, what came of it goes out as JSON."""

import asyncio
import hashlib
import json
import sys
import urllib.request

from aiortc import RTCPeerConnection, RTCSessionDescription


def ask(method, url, body=None, kind=None):
    request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": kind} if kind else {})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


async def visit(wish, told):
    loop = asyncio.get_running_loop()
    pc = RTCPeerConnection()
    if wish["media"]:
        pc.addTransceiver("audio")
        pc.addTransceiver("video", direction="recvonly")
    channels = [pc.createDataChannel("echo"), pc.createDataChannel("echo")]
    opened, closed = ([loop.create_future() for _ in channels] for _ in range(2))
    for number, channel in enumerate(channels):
        channel.on("open", lambda number=number: opened[number].set_result(None))
        channel.on("close", lambda number=number: closed[number].set_result(None))
    # aiortc knows no trickling: it gathers before it describes.
    await pc.setLocalDescription(await pc.createOffer())
    told["offer"] = pc.localDescription.sdp
    told["step"] = "answer"
    status, headers, answer = await loop.run_in_executor(None, ask, "POST", wish["url"] + "/sessions", told["offer"].encode(), "application/sdp")
    told["answer"] = answer
    if status != 201:
        raise RuntimeError(f"{status} {answer}")
    location = wish["url"] + headers["Location"]
    await pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    told["step"] = "open"
    await asyncio.gather(*opened)
    for size in wish["sizes"]:
        told["step"] = f"{size} bytes"
        message = bytes((i * 31 + (i >> 8) + size) & 255 for i in range(size))
        back = loop.create_future()
        channels[0].remove_all_listeners("message")
        channels[0].on("message", back.set_result)
        channels[0].send(message)
        if hashlib.sha256(await back).digest() != hashlib.sha256(message).digest():
            raise RuntimeError("other bytes came back")
        told["moved"].append(size)
    told["step"] = "closed from here"
    channels[0].close()
    await closed[0]
    told["step"] = "closed by the gateway"
    await loop.run_in_executor(None, ask, "DELETE", location)
    await closed[1]
    told["step"] = "done"
    await pc.close()


async def main():
    told = {"step": "offer", "moved": []}
    try:
        await asyncio.wait_for(visit(json.loads(sys.argv[1]), told), 60)
    except Exception as error:
        told["error"] = repr(error)
    print(json.dumps(told), flush=True)


asyncio.run(main())
