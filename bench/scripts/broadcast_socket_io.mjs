// Broadcast on Socket.IO, with what its documentation advises for speed where all clients can do
// WebSocket: node broadcast_socket_io.mjs PORT
// Who connects with ?room=… follows that room; `publish` sends to one, and is acknowledged.
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const [port] = process.argv.slice(2);
const http = createServer();
const io = new Server(http, {
  transports: ['websocket'],
  serveClient: false,
  perMessageDeflate: false,
  httpCompression: false,
  connectionStateRecovery: {},
});

io.on('connection', (socket) => {
  const { room } = socket.handshake.query;
  if (room) socket.join(room);
  socket.on('publish', (to, data, acknowledge) => {
    io.to(to).emit('message', data);
    acknowledge?.();
  });
});

http.listen(Number(port), '127.0.0.1');
