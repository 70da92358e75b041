//! One server.

use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Instant;

use tidings_testkit::nats::Server;

use crate::client::{Client, GLANCE, PATIENCE};

#[test]
fn a_server_keeps_its_streams_and_its_port_over_a_kill() {
    let server = Server::start("");
    let url = server.url();
    let mut client = Client::connect(&url);
    client.create_stream("EVENTS", 1);
    client.store("EVENTS", "1");
    server.kill();
    client.until_gone();
    server.restart();
    assert_eq!(server.url(), url);
    Client::connect(&url).until_count("EVENTS", 1);
}

#[test]
fn a_server_that_is_stopped_answers_when_it_goes_on() {
    let server = Server::start("");
    let mut client = Client::connect(&server.url());
    server.stop();
    client.send("PING\r\n");
    server.cont();
    client.until_line("PONG");
}

#[test]
fn a_lame_duck_says_so_and_ends() {
    let server = Server::start("");
    let client = Client::connect(&server.url());
    server.lame_duck();
    let said = client.until_gone();
    assert!(
        said.iter().any(|line| line.contains("\"ldm\":true")),
        "{said:?}"
    );
    server.restart();
}

#[test]
fn what_is_configured_besides_holds() {
    let server = Server::start("authorization { token: sesame }");
    let client = Client::begin(&server.url());
    let said = client.until_gone();
    assert!(
        said.contains(&"-ERR 'Authorization Violation'".to_owned()),
        "{said:?}"
    );
}

#[test]
fn a_server_ends_with_a_process_that_drops_nothing() {
    let this = std::env::current_exe().unwrap();
    let output = Command::new(this)
        .args(["server::left_behind", "--exact", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let url = said
        .split_whitespace()
        .find(|word| word.starts_with("nats://"));
    let address = url.unwrap().strip_prefix("nats://").unwrap();
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_ok() {
        assert!(Instant::now() < deadline, "it listens still");
        thread::sleep(GLANCE);
    }
}

#[test]
#[ignore = "started in a process of its own by another test"]
fn left_behind() {
    let server = Server::start("");
    println!("\n{}", server.url());
    std::mem::forget(server);
}
