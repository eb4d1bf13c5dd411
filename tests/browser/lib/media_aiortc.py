"""A viewer with aiortc: it plays an endpoint by WHEP and prints the color in the middle of each picture as a line of JSON, until it is ended.
The first line is the answer's status. The wish comes as JSON."""

import asyncio

from aiortc import RTCPeerConnection, RTCSessionDescription

import media_viewer as viewer


def color_of(frame):
    plane = frame.reformat(format="rgb24").planes[0]
    return viewer.middle_of(bytes(plane), plane.line_size, frame.width, frame.height)


async def main():
    asked = viewer.wish()
    pc = RTCPeerConnection()
    pc.addTransceiver("video", direction="recvonly")
    tracks = asyncio.Queue()
    pc.on("track", tracks.put_nowait)
    await pc.setLocalDescription(await pc.createOffer())
    status, answer = await asyncio.get_running_loop().run_in_executor(None, viewer.post, asked["url"], pc.localDescription.sdp)
    viewer.say({"status": status, "answer": answer})
    if status != 201:
        return
    await pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    track = await tracks.get()
    while True:
        viewer.say({"color": color_of(await track.recv())})


asyncio.run(main())
