//! The real binary, asked over real sockets.
//!
//! [`support`] starts a server on a port of the system's choice and speaks to it in raw HTTP and
//! over our WebSocket client. [`doors`] has the scenarios that are the same over every transport,
//! written once; the other modules have what is a single door's own.

#![expect(clippy::unwrap_used, reason = "a test and its helpers fail by it")]

mod access;
mod backup;
mod balance;
mod bench;
mod certificates;
mod cli;
mod cluster;
mod compare;
mod compression;
mod cuts;
mod dark;
mod doors;
mod ending;
mod floods;
mod frames;
mod http;
mod http2;
mod lab;
mod limits;
mod logging;
mod metrics;
mod parked;
mod polls;
mod presence;
mod pressure;
mod restart;
mod silence;
mod slow;
mod starting;
mod streams;
mod support;
mod tls;
mod websockets;
mod webtransport;
