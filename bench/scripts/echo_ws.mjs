// Echo server on Node's `ws`, as its README writes one: node echo_ws.mjs PORT plain|deflate|takeover
import { WebSocketServer } from 'ws';

const [port, mode = 'plain'] = process.argv.slice(2);
const alone = mode === 'deflate';
const server = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(port),
  perMessageDeflate:
    mode !== 'plain' && {
      serverNoContextTakeover: alone,
      clientNoContextTakeover: alone,
      // By default ws leaves what is smaller than 1 KiB uncompressed: so it stays.
    },
});
server.on('connection', (socket) => {
  socket.on('error', () => {});
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});
