"""A door made with Python's `websockets`: it follows a channel and publishes what it is told.

    door.py URL CHANNEL json|cbor

Prints `{"ready": …, "extensions": …}`, what the handshake agreed on, then each message as a line of JSON; publishes the JSON of each line it reads.
"""

import json
import sys
import threading

import cbor2
from websockets.sync.client import connect

# What the protocol calls the two encodings: the same objects, as text or as bytes.
CODECS = {"json": (json.dumps, json.loads), "cbor": (cbor2.dumps, cbor2.loads)}


def main(url: str, channel: str, codec: str) -> None:
    encode, decode = CODECS[codec]
    subprotocol = f"tidings.v1.{codec}"
    with connect(url.replace("http", "ws", 1) + "/v1/connect", subprotocols=[subprotocol]) as socket:
        assert socket.subprotocol == subprotocol, socket.subprotocol
        socket.send(encode({"type": "hello", "token": f"guest:python-{codec}"}))
        socket.send(encode({"type": "subscribe", "req": 1, "channel": channel}))

        def publish_lines() -> None:
            for req, line in enumerate(sys.stdin, start=2):
                frame = {"type": "publish", "req": req, "channel": channel, "data": json.loads(line)}
                socket.send(encode(frame))

        threading.Thread(target=publish_lines, daemon=True).start()
        for data in socket:
            frame = decode(data)
            if frame["type"] == "subscribed":
                agreed = socket.response.headers.get("Sec-WebSocket-Extensions")
                print(json.dumps({"ready": frame["cursor"], "extensions": agreed}), flush=True)
            elif frame["type"] == "message":
                print(json.dumps(frame), flush=True)
            elif frame["type"] == "error":
                sys.exit(f"refused: {frame}")


main(*sys.argv[1:])
