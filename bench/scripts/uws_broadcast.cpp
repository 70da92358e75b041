// Broadcast on uWebSockets, as its documentation writes one: uws_broadcast PORT
// Who opens /sub follows; what comes over /pub goes to all of them.
//
// To build it, with checkouts of uNetworking/uWebSockets and of uNetworking/uSockets beside each other:
//
//     cc -c -O3 -march=native -flto -DLIBUS_NO_SSL -I uSockets/src \
//        uSockets/src/*.c uSockets/src/eventing/*.c uSockets/src/crypto/*.c
//     c++ -std=c++20 -O3 -march=native -flto -DLIBUS_NO_SSL -DUWS_NO_ZLIB -I uWebSockets/src \
//        -I uSockets/src uws_broadcast.cpp *.o -o uws_broadcast
//
// Then: cargo xtask bench --peer 'uwebsockets=/path/to/uws_broadcast {port}'
#include <cstdlib>
#include <string_view>

#include "App.h"

struct Nothing {};

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  uWS::App app;
  app.ws<Nothing>("/sub", {
    .compression = uWS::DISABLED,
    .idleTimeout = 120,
    .maxBackpressure = 64 << 20,
    .open = [](auto *socket) { socket->subscribe("bench"); },
  });
  app.ws<Nothing>("/pub", {
    .compression = uWS::DISABLED,
    .idleTimeout = 120,
    .message = [&app](auto *, std::string_view message, uWS::OpCode opcode) {
      app.publish("bench", message, opcode);
    },
  });
  app.listen("127.0.0.1", std::atoi(argv[1]), [](auto *socket) {
    if (!socket) std::exit(1);
  });
  app.run();
}
