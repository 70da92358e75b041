//! The engine on NATS keeps the laws of every engine.
