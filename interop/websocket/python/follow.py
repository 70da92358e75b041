"""Followers of the example `broadcast`, each with parameters of its own: Python's `websockets`, and
zlib itself on the frames as they come.

    follow.py URL

Prints `ready` when all follow, and once they heard "end" a line of JSON for each: its name, what it heard
(of long texts a digest), and, of zlib's, a digest of each compressed message as it was on the wire.
"""

import asyncio
import base64
import hashlib
import json
import os
import sys
import urllib.parse
import zlib

from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

# What Python's `websockets` offers; None: no compression.
WEBSOCKETS = [
    None,
    {"client_max_window_bits": True},
    {"server_no_context_takeover": True, "client_no_context_takeover": True},
    {"server_max_window_bits": 8},
    {"server_max_window_bits": 12, "client_max_window_bits": 9},
]

# What is offered for zlib, which then inflates as agreed.
ZLIB = [
    "permessage-deflate",
    "permessage-deflate; server_no_context_takeover",
    *(f"permessage-deflate; server_max_window_bits={bits}" for bits in range(8, 16)),
]

# zlib gives back what it has not used each time: little, when it was given little.
PIECE_BYTES = 64

# What is told as it is.
BRIEF_BYTES_MAX = 200

# Of what `deflate` leaves out at the end of each message (RFC 7692, 7.2.1).
TAIL = b"\x00\x00\xff\xff"


async def main(url):
    ready = asyncio.Queue()
    following = [follow_with_websockets(url, offer, ready) for offer in WEBSOCKETS]
    following += [follow_with_zlib(url, offer, ready) for offer in ZLIB]
    tasks = [asyncio.create_task(follow) for follow in following]

    async def all_ready():
        for _ in tasks:
            await ready.get()
        print("ready", flush=True)

    _, *told = await asyncio.gather(all_ready(), *tasks)
    for follower in told:
        follower["heard"] = [brief(text) for text in follower["heard"]]
        print(json.dumps(follower), flush=True)


def brief(text):
    return text if len(text.encode()) <= BRIEF_BYTES_MAX else digest(text.encode())


def digest(data):
    return hashlib.sha256(data).hexdigest()


async def follow_with_websockets(url, offer, ready):
    extensions = [ClientPerMessageDeflateFactory(**offer)] if offer else None
    async with connect(url, extensions=extensions, compression=None, max_size=16 << 20) as socket:
        heard = [await socket.recv()]
        ready.put_nowait(None)
        while heard[-1] != "end":
            heard.append(await socket.recv())
        return {"name": f"websockets {offer}", "heard": heard}


async def follow_with_zlib(url, offer, ready):
    reader, writer = await shake_hands(url, offer)
    agreed = await agreement(reader)
    assert "permessage-deflate" in agreed, f"{offer}: {agreed}"
    bits = int(agreed.get("server_max_window_bits", "15"))
    inflater = zlib.decompressobj(wbits=-bits)
    heard, wire = [], []
    while not heard or heard[-1] != "end":
        compressed, payload = await message(reader)
        wire.append(digest(payload) if compressed else None)
        if compressed:
            if "server_no_context_takeover" in agreed:
                inflater = zlib.decompressobj(wbits=-bits)
            payload = inflate(inflater, payload + TAIL)
        heard.append(payload.decode())
        if len(heard) == 1:
            ready.put_nowait(None)
    writer.close()
    return {"name": f"zlib, {offer}", "heard": heard, "wire": wire, "agreed": agreed}


def inflate(inflater, data):
    """Byte by byte: so zlib has nothing to refer to but its window, which is as small as was agreed."""
    whole = bytearray()
    for start in range(0, len(data), PIECE_BYTES):
        piece = data[start : start + PIECE_BYTES]
        while True:
            byte = inflater.decompress(piece, 1)
            whole += byte
            piece = inflater.unconsumed_tail
            if not byte and not piece:
                break
    return bytes(whole)


async def shake_hands(url, offer):
    to = urllib.parse.urlparse(url)
    reader, writer = await asyncio.open_connection(to.hostname, to.port, limit=1 << 20)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET / HTTP/1.1\r\nHost: {to.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: {offer}\r\n\r\n".encode()
    )
    return reader, writer


async def agreement(reader):
    """The extension's parameters in the server's answer, by name."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "sec-websocket-extensions":
            pairs = (parameter.strip().partition("=") for parameter in value.split(";"))
            return {name: value for name, _, value in pairs}
    return {}


async def message(reader):
    """Whether the next message is compressed, and its payload."""
    compressed, payload = False, b""
    while True:
        first, second = await reader.readexactly(2)
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
        data = await reader.readexactly(length)
        opcode = first & 0x0F
        assert opcode <= 2, f"opcode {opcode}"
        if opcode != 0:
            compressed = first & 0x40 != 0
        payload += data
        if first & 0x80:
            return compressed, payload


asyncio.run(main(*sys.argv[1:]))
