"""A server by one of Python's libraries that echoes whatever comes.

    server.py LIBRARY [OPTIONS]

OPTIONS is an object in JSON, the library's own words for compression. Prints where it listens.
"""

import asyncio
import json
import sys


def listening(sockets):
    print(f"listening at ws://127.0.0.1:{sockets[0].getsockname()[1]}/", flush=True)


def websockets_sync(options):
    from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
    from websockets.sync.server import serve

    def echo(socket):
        for message in socket:
            socket.send(message)

    extensions = [ServerPerMessageDeflateFactory(**options)] if options else None
    with serve(echo, "127.0.0.1", 0, extensions=extensions, compression=None, max_size=16 << 20) as server:
        listening([server.socket])
        server.serve_forever()


async def websockets_asyncio(options):
    from websockets.asyncio.server import serve
    from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

    async def echo(socket):
        async for message in socket:
            await socket.send(message)

    extensions = [ServerPerMessageDeflateFactory(**options)] if options else None
    async with serve(echo, "127.0.0.1", 0, extensions=extensions, compression=None, max_size=16 << 20) as server:
        listening(server.sockets)
        await server.serve_forever()


async def picows(options):
    import picows

    class Listener(picows.WSListener):
        def on_ws_frame(self, transport, frame):
            if frame.msg_type == picows.WSMsgType.CLOSE:
                transport.send_close(frame.get_close_code(), frame.get_close_message())
                transport.disconnect()
            elif frame.msg_type == picows.WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
            elif frame.msg_type != picows.WSMsgType.PONG:
                transport.send(frame.msg_type, frame.get_payload_as_bytes(), fin=frame.fin)

    server = await picows.ws_create_server(lambda request: Listener(), "127.0.0.1", 0, max_frame_size=16 << 20)
    listening(server.sockets)
    await server.serve_forever()


async def aiohttp(options):
    from aiohttp import web

    async def echo(request):
        socket = web.WebSocketResponse(max_msg_size=16 << 20, **options)
        await socket.prepare(request)
        async for message in socket:
            if message.type == web.WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type == web.WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    listening(site._server.sockets)
    await asyncio.Event().wait()


LIBRARIES = {
    "websockets, sync": websockets_sync,
    "websockets, asyncio": websockets_asyncio,
    "picows": picows,
    "aiohttp": aiohttp,
}


def main(library, options="{}"):
    serving = LIBRARIES[library](json.loads(options))
    if asyncio.iscoroutine(serving):
        asyncio.run(serving)


main(*sys.argv[1:])
