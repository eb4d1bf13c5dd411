"""What the viewers in Python share: they take their wish as JSON, ask the gateway for an endpoint's picture, and print what comes of it."""

import json
import sys
import urllib.error
import urllib.request


def wish():
    return json.loads(sys.argv[1])


def say(message):
    print(json.dumps(message), flush=True)


def post(url, offer):
    request = urllib.request.Request(url, data=offer.encode(), headers={"Content-Type": "application/sdp"})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def middle_of(pixels, row, width, height):
    """The color in the middle of a picture in RGB, whose rows have so many bytes."""
    at = height // 2 * row + width // 2 * 3
    return list(pixels[at : at + 3])
