"""A viewer with aiortc: it plays an endpoint by WHEP and prints the color in the middle of each picture as a line of JSON, until it is ended.
The first line is the answer's status. The wish comes as JSON."""

import asyncio
import json
import sys
import urllib.request

from aiortc import RTCPeerConnection, RTCSessionDescription


def say(message):
    print(json.dumps(message), flush=True)


def post(url, offer):
    request = urllib.request.Request(url, data=offer.encode(), headers={"Content-Type": "application/sdp"})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def color_of(frame):
    plane = frame.reformat(format="rgb24").planes[0]
    at = frame.height // 2 * plane.line_size + frame.width // 2 * 3
    return list(bytes(plane)[at : at + 3])


async def main():
    wish = json.loads(sys.argv[1])
    pc = RTCPeerConnection()
    pc.addTransceiver("video", direction="recvonly")
    tracks = asyncio.Queue()
    pc.on("track", tracks.put_nowait)
    await pc.setLocalDescription(await pc.createOffer())
    status, answer = await asyncio.get_running_loop().run_in_executor(None, post, wish["url"], pc.localDescription.sdp)
    say({"status": status, "answer": answer})
    if status != 201:
        return
    await pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    track = await tracks.get()
    while True:
        say({"color": color_of(await track.recv())})


asyncio.run(main())
