"""A client by one of Python's libraries: sends messages of all sizes and wants each back.

    client.py LIBRARY URL [OPTIONS]

OPTIONS is an object in JSON, the library's own words for compression. Prints an object in JSON: what
was agreed on, how many echoes came, and the close code.
"""

import asyncio
import json
import sys

from payloads import payloads

# How long the whole may take: two busy cores are slow.
WITHIN_SECONDS = 60


def websockets_sync(url, options):
    from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
    from websockets.sync.client import connect

    extensions = [ClientPerMessageDeflateFactory(**options)] if options else None
    with connect(url, extensions=extensions, compression=None, max_size=16 << 20) as socket:
        echoed = 0
        for payload in payloads():
            socket.send(payload)
            assert socket.recv(timeout=WITHIN_SECONDS) == payload, f"the echo of {len(payload)} differs"
            echoed += 1
        # An iterable is sent in fragments.
        for kind in [["one ", "zwei ", "三 "] * 100, [b"one", b"", b"three" * 1000]]:
            socket.send(kind)
            assert socket.recv(timeout=WITHIN_SECONDS) == kind[0][:0].join(kind)
            echoed += 1
        assert socket.ping().wait(WITHIN_SECONDS)
        agreed = socket.response.headers.get("Sec-WebSocket-Extensions", "")
    return agreed, echoed, socket.protocol.close_code


async def websockets_asyncio(url, options):
    from websockets.asyncio.client import connect
    from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

    extensions = [ClientPerMessageDeflateFactory(**options)] if options else None
    async with connect(url, extensions=extensions, compression=None, max_size=16 << 20) as socket:
        sent = list(payloads())

        async def send_all():
            for payload in sent:
                await socket.send(payload)

        sending = asyncio.create_task(send_all())
        for payload in sent:
            assert await socket.recv() == payload, f"the echo of {len(payload)} differs"
        await sending
        await (await socket.ping())
        agreed = socket.response.headers.get("Sec-WebSocket-Extensions", "")
    return agreed, len(sent), socket.protocol.close_code


async def picows(url, options):
    import picows

    sent = [payload.encode() if isinstance(payload, str) else payload for payload in payloads()]
    over = asyncio.get_running_loop().create_future()
    echoed = 0

    class Listener(picows.WSListener):
        def on_ws_connected(self, transport):
            for payload in sent:
                transport.send(picows.WSMsgType.BINARY, payload)
            transport.send_ping(b"beat")

        def on_ws_frame(self, transport, frame):
            nonlocal echoed
            if frame.msg_type == picows.WSMsgType.BINARY:
                assert frame.get_payload_as_bytes() == sent[echoed], f"echo {echoed} differs"
                echoed += 1
            elif frame.msg_type == picows.WSMsgType.PONG:
                assert frame.get_payload_as_bytes() == b"beat"
                transport.send_close(picows.WSCloseCode.OK, b"bye")
            elif frame.msg_type == picows.WSMsgType.CLOSE:
                over.set_result(int(frame.get_close_code()))

    transport, _ = await picows.ws_connect(Listener, url, max_frame_size=16 << 20)
    code = await over
    await transport.wait_disconnected()
    return "", echoed, code


async def aiohttp(url, options):
    import aiohttp

    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url, max_msg_size=16 << 20, **options) as socket:
            echoed = 0
            for payload in payloads():
                if isinstance(payload, str):
                    await socket.send_str(payload)
                else:
                    await socket.send_bytes(payload)
                assert (await socket.receive()).data == payload, f"the echo of {len(payload)} differs"
                echoed += 1
            agreed = f"permessage-deflate of {socket.compress} bits" if socket.compress else ""
            await socket.close()
            return agreed, echoed, socket.close_code


def curl(url, options):
    import select

    import pycurl

    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.CONNECT_ONLY, 2)  # the handshake alone, then frames one by one
    handle.perform()

    def wait(to_write):
        socket = handle.getinfo(pycurl.ACTIVESOCKET)
        ready = select.select([socket], [socket] if to_write else [], [], WITHIN_SECONDS)
        assert ready[0] or ready[1], "nothing came"

    def send(data, flags):
        # What libcurl could not send at once goes on where it stopped.
        while True:
            try:
                count = handle.ws_send(data, flags)
            except BlockingIOError:
                count = 0
            if count == len(data):
                return
            data = data[count:]
            wait(to_write=True)

    def receive():
        data = b""
        while True:
            try:
                piece, meta = handle.ws_recv(1 << 20)
            except BlockingIOError:
                wait(to_write=False)
                continue
            data += piece
            if meta.bytesleft == 0 and not meta.flags & pycurl.WS_CONT:
                return meta.flags, data

    echoed = 0
    for payload in payloads():
        kind, data = (pycurl.WS_TEXT, payload.encode()) if isinstance(payload, str) else (pycurl.WS_BINARY, payload)
        send(data, kind)
        flags, echo = receive()
        assert flags & kind and echo == data, f"the echo of {len(payload)} differs"
        echoed += 1
    handle.ws_close(1000, "bye")
    flags, close = receive()
    assert flags & pycurl.WS_CLOSE, flags
    return "", echoed, int.from_bytes(close[:2], "big")


LIBRARIES = {
    "curl": curl,
    "websockets, sync": websockets_sync,
    "websockets, asyncio": websockets_asyncio,
    "picows": picows,
    "aiohttp": aiohttp,
}


def main(library, url, options="{}"):
    talk = LIBRARIES[library](url, json.loads(options))
    if asyncio.iscoroutine(talk):
        talk = asyncio.run(asyncio.wait_for(talk, WITHIN_SECONDS))
    agreed, echoed, code = talk
    print(json.dumps({"agreed": agreed, "echoed": echoed, "code": code}))


main(*sys.argv[1:])
