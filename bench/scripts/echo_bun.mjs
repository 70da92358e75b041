// Echo server on Bun, as its documentation writes one: bun echo_bun.mjs PORT plain|deflate|takeover
const [port, mode = 'plain'] = process.argv.slice(2);
const compression = { plain: 'disable', deflate: 'shared', takeover: 'dedicated' }[mode];
const deflates = mode !== 'plain';

Bun.serve({
  hostname: '127.0.0.1',
  port: Number(port),
  fetch(request, server) {
    return server.upgrade(request) ? undefined : new Response('a WebSocket is wanted', { status: 426 });
  },
  websocket: {
    perMessageDeflate: deflates && { compress: compression, decompress: compression },
    maxPayloadLength: 16 << 20,
    backpressureLimit: 64 << 20,
    message(socket, message) {
      socket.send(message, deflates);
    },
  },
});
