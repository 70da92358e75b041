//! One server.

use tidings_testkit::nats::Server;

use crate::client::Client;

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
