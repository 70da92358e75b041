#!/usr/bin/env python3
"""What one who waits costs the server, in resident memory, by every door.

    cargo build --release -p tidings
    pip install aioquic                     # for WebTransport, which is left out without it
    python3 bench/scripts/idle_memory.py target/release/tidings [WAITING] [DOOR...]

WAITING (4000) are opened by each door of a fresh server with one shard, over HTTP/2 a hundred on a connection. Each
follows the same channel, is answered, and waits; nobody is seen there, or each would be told of all others. What the
first hundred take is everybody's, and not counted; nor is the kernel's memory. Linux only.
"""

import asyncio, atexit, json, os, resource, socket, ssl, struct, subprocess, sys, tempfile, time

STREAMS = 100  # of one connection of HTTP/2, and so many are open before it is measured
SETTLES_WITHIN = 1.0  # seconds until what was needed to open them has been freed
CONFIG = '[namespaces.""]\npresence = false\n'
HELLO = {"type": "hello", "token": "guest:bob"}
SUBSCRIBE = {"type": "subscribe", "req": 1, "channel": "a"}


class Server:
    def __init__(self, binary, tls):
        self.directory = tempfile.TemporaryDirectory()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        config = os.path.join(self.directory.name, "tidings.toml")
        with open(config, "w") as file:
            file.write(CONFIG)
        command = [binary, "serve", "--config", config, "--listen", f"127.0.0.1:{self.port}"]
        command += ["--data", os.path.join(self.directory.name, "data")]
        command += ["--tls", "self-signed"] if tls else []
        self.tls = tls
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        atexit.register(self.process.kill)  # should anything fail
        self.process.stdout.readline()
        self.dial(None).close()

    def dial(self, protocol):
        """A connection, once there is somebody who takes it."""
        for _ in range(100):
            try:
                stream = socket.create_connection(("127.0.0.1", self.port))
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.tls or protocol is None:
            return stream
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols([protocol])
        return context.wrap_socket(stream)

    def resident(self):
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()

    def end(self):
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()


def read_until(stream, what):
    read = b""
    while what not in read:
        came = stream.recv(65536)
        assert came, f"the end, behind {read!r}"
        read += came
    return read


def ask(server, path, headers=""):
    stream = server.dial("http/1.1")
    stream.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}\r\n".encode())
    return stream


def now(server):
    """The end of the log, behind which a poll waits."""
    with ask(server, "/v1/events?channel=a", "connection: close\r\n") as stream:
        return json.loads(read_until(stream, b"}").split(b"\r\n\r\n")[1])["cursor"]


def said(message):
    """A message as a client's WebSocket frame, its mask of zeros."""
    text = json.dumps(message).encode()
    assert len(text) < 126
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


# HTTP/1.1, one at a time.


def websocket(server):
    key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
    upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-protocol: tidings.v1.json\r\n"
    stream = ask(server, "/v1/connect", upgrade + key)
    read_until(stream, b"\r\n\r\n")
    stream.sendall(said(HELLO) + said(SUBSCRIBE))
    read_until(stream, b"subscribed")
    return stream


def sse(server):
    stream = ask(server, "/v1/events?channel=a", "accept: text/event-stream\r\n")
    read_until(stream, b"event: hello")
    return stream


def poll(server, after):
    return ask(server, f"/v1/events?channel=a&wait=60&after={after}")


# HTTP/2, a hundred on a connection.

DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 4, 6, 8
ACK, END_STREAM, END_HEADERS = 1, 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def fields(*pairs):
    """Each literally, and none remembered (RFC 7541, section 6.2.2)."""
    text = lambda it: bytes([len(it)]) + it.encode()
    return b"".join(b"\0" + text(name) + text(value) for name, value in pairs)


class Http2:
    def __init__(self, server):
        self.stream, self.read = server.dial("h2"), b""
        room = frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30))  # for what a hundred streams begin with
        self.stream.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0) + room)
        while self.frame()[0] != SETTINGS:
            pass

    def bytes(self, count):
        while len(self.read) < count:
            came = self.stream.recv(65536)
            assert came, "the end"
            self.read += came
        taken, self.read = self.read[:count], self.read[count:]
        return taken

    def frame(self):
        head = self.bytes(9)
        kind, flags, stream = head[3], head[4], struct.unpack(">I", head[5:])[0]
        payload = self.bytes(struct.unpack(">I", b"\0" + head[:3])[0])
        if kind in (SETTINGS, PING) and not flags & ACK:
            self.stream.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
        return kind, stream, payload

    def hear(self, what):
        """Waits until all streams have heard this."""
        heard = {}
        while sum(what in it for it in heard.values()) < STREAMS:
            kind, stream, payload = self.frame()
            if kind in (HEADERS, DATA):
                heard[stream] = heard.get(stream, b"") + payload

    def ask(self, flags, *more):
        common = ((":scheme", "http"), (":authority", "127.0.0.1"))
        block = fields(*[it for it in more if it[0][0] == ":"], *common, *[it for it in more if it[0][0] != ":"])
        for number in range(STREAMS):
            self.stream.sendall(frame(HEADERS, flags | END_HEADERS, 2 * number + 1, block))

    def say(self, message):
        for number in range(STREAMS):
            self.stream.sendall(frame(DATA, 0, 2 * number + 1, message))


def websockets(server):
    http = Http2(server)
    socket = (("sec-websocket-version", "13"), ("sec-websocket-protocol", "tidings.v1.json"))
    http.ask(0, (":method", "CONNECT"), (":protocol", "websocket"), (":path", "/v1/connect"), *socket)
    http.say(said(HELLO) + said(SUBSCRIBE))
    http.hear(b"subscribed")
    return http


def sses(server):
    http = Http2(server)
    http.ask(END_STREAM, (":method", "GET"), (":path", "/v1/events?channel=a"), ("accept", "text/event-stream"))
    http.hear(b"event: hello")
    return http


def polls(server, after):
    http = Http2(server)
    http.ask(END_STREAM, (":method", "GET"), (":path", f"/v1/events?channel=a&wait=60&after={after}"))
    return http


def measure(binary, waiting, tls, step, open):
    """Bytes for each."""
    server = Server(binary, tls)
    after = (now(server),) if open in (poll, polls) else ()
    kept = [open(server, *after) for _ in range(STREAMS // step)]
    time.sleep(SETTLES_WITHIN)
    before = server.resident()
    kept += [open(server, *after) for _ in range(waiting // step - len(kept))]
    time.sleep(SETTLES_WITHIN)
    each = (server.resident() - before) / (waiting - STREAMS)
    server.end()
    return each


# WebTransport.


async def measure_webtransport(binary, waiting):
    from aioquic.asyncio import QuicConnectionProtocol, connect
    from aioquic.buffer import encode_uint_var
    from aioquic.h3.connection import H3_ALPN, H3Connection
    from aioquic.h3.events import HeadersReceived
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.events import ProtocolNegotiated, StreamDataReceived

    class Session(QuicConnectionProtocol):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            self.follows = asyncio.get_running_loop().create_future()
            self.read = b""

        def quic_event_received(self, event):
            if isinstance(event, ProtocolNegotiated):
                self.http = H3Connection(self._quic, enable_webtransport=True)
            if isinstance(event, StreamDataReceived):
                self.read += event.data
                if b"subscribed" in self.read and not self.follows.done():
                    self.follows.set_result(None)
            for heard in self.http.handle_event(event) if hasattr(self, "http") else ():
                if isinstance(heard, HeadersReceived):
                    self.begin(heard.stream_id)

        def ask(self, authority):
            head = {":method": "CONNECT", ":scheme": "https", ":authority": authority}
            head |= {":path": "/v1/connect?protocol=tidings.v1.json", ":protocol": "webtransport"}
            stream = self._quic.get_next_available_stream_id()
            self.http.send_headers(stream, [(name.encode(), value.encode()) for name, value in head.items()])
            self.transmit()

        def begin(self, session):
            stream = self.http.create_webtransport_stream(session)
            for message in (HELLO, SUBSCRIBE):
                text = json.dumps(message).encode()
                self._quic.send_stream_data(stream, encode_uint_var(len(text)) + text)
            self.transmit()

    server = Server(binary, False)
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, verify_mode=ssl.CERT_NONE, max_datagram_frame_size=65536)
    kept = []

    async def open():
        dialled = connect("127.0.0.1", server.port, configuration=configuration, create_protocol=Session)
        session = await dialled.__aenter__()
        kept.append((dialled, session))
        session.ask(f"127.0.0.1:{server.port}")
        await asyncio.wait_for(session.follows, 30)

    for _ in range(STREAMS):
        await open()
    await asyncio.sleep(SETTLES_WITHIN)
    before = server.resident()
    for _ in range(waiting - STREAMS):
        await open()
    await asyncio.sleep(SETTLES_WITHIN)
    each = (server.resident() - before) / (waiting - STREAMS)
    server.end()
    return each


DOORS = {
    "http1": (False, 1, (websocket, sse, poll)),
    "http1-tls": (True, 1, (websocket, sse, poll)),
    "http2": (False, STREAMS, (websockets, sses, polls)),
    "http2-tls": (True, STREAMS, (websockets, sses, polls)),
}


def main():
    binary, waiting = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 4000
    resource.setrlimit(resource.RLIMIT_NOFILE, (20_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    print(f"{waiting} each: KB of resident memory for one who waits\n")
    print("| | WebSocket | SSE stream | long poll |\n|---|---|---|---|")
    wanted = sys.argv[3:]
    for name, (tls, step, opens) in DOORS.items():
        if not wanted or name in wanted:
            each = [measure(binary, waiting, tls, step, open) for open in opens]
            print(f"| {name} | " + " | ".join(f"{it / 1000:.2f}" for it in each) + " |", flush=True)
    if not wanted or "webtransport" in wanted:
        try:
            print(f"\nwebtransport: {asyncio.run(measure_webtransport(binary, waiting)) / 1000:.2f}")
        except ImportError:
            print("\nwebtransport: left out, for there is no aioquic")
    os._exit(0)  # thousands of connections need not be ended one by one


main()
