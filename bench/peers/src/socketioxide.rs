//! socketioxide, which speaks Socket.IO: a room to follow is in the query, `publish` sends to one and is
//! acknowledged.

use std::net::SocketAddr;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use socketioxide::extract::{AckSender, Data, SocketRef};
use socketioxide::{SocketIo, TransportType};

use crate::serve::serve;
use crate::{Mode, Outcome};

pub(crate) fn run(address: SocketAddr, _: Mode) -> Outcome {
    let (service, io) = SocketIo::builder()
        .transports([TransportType::Websocket])
        .build_svc();
    io.ns("/", async |socket: SocketRef| {
        let query = socket.req_parts().uri.query().unwrap_or_default();
        if let Some(room) = query.split('&').find_map(|pair| pair.strip_prefix("room=")) {
            socket.join(room.to_owned());
        }
        socket.on("publish", publish);
    });
    serve(address, move |stream| {
        let service = service.clone();
        async move {
            http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await?;
            Ok(())
        }
    })
}

async fn publish(io: SocketIo, Data((room, data)): Data<(String, String)>, acknowledge: AckSender) {
    // Who is too slow to take it is not the publisher's concern.
    let _ = io.to(room).emit("message", &data).await;
    let _ = acknowledge.send(&());
}
