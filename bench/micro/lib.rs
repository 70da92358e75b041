//! Empty: see `benches/websocket`.
