// Broadcast on Bun, as its documentation writes one: bun broadcast_bun.mjs PORT
// Who opens /sub follows; what comes over /pub goes to all of them.
const [port] = process.argv.slice(2);

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: Number(port),
  fetch(request, server) {
    const follows = new URL(request.url).pathname === '/sub';
    return server.upgrade(request, { data: { follows } })
      ? undefined
      : new Response('a WebSocket is wanted', { status: 426 });
  },
  websocket: {
    backpressureLimit: 64 << 20,
    open(socket) {
      if (socket.data.follows) socket.subscribe('bench');
    },
    message(_, message) {
      server.publish('bench', message);
    },
  },
});
