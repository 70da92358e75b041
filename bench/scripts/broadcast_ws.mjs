// Broadcast on Node's `ws`, as its README writes one: node broadcast_ws.mjs PORT
// Who opens /sub follows; what comes over /pub goes to all of them.
import { WebSocket, WebSocketServer } from 'ws';

const [port] = process.argv.slice(2);
const server = new WebSocketServer({ host: '127.0.0.1', port: Number(port), perMessageDeflate: false });
const followers = new Set();

server.on('connection', (socket, request) => {
  socket.on('error', () => {});
  if (request.url === '/sub') {
    followers.add(socket);
    socket.on('close', () => followers.delete(socket));
    return;
  }
  socket.on('message', (data, isBinary) => {
    for (const follower of followers) {
      if (follower.readyState === WebSocket.OPEN) follower.send(data, { binary: isBinary });
    }
  });
});
