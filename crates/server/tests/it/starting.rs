//! A start that cannot be: one clear line, what to do, exit code 2.

use std::net::TcpListener;
use std::process::Output;

use crate::support::server::{Server, tidings};

fn fail(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let output: Output = tidings()
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(output.stdout, b"", "nothing is promised");
    said
}

/// One line says what happened; at most one more what to do.
fn lines(said: &str) -> Vec<&str> {
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].starts_with("tidings: "), "{said}");
    assert!(lines.len() <= 2, "{said}");
    lines
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for shards in ["1", "2"] {
        let said = fail(&["--listen", &address, "--shards", shards], &[]);
        let lines = lines(&said);
        assert!(
            lines[0].contains(&address) && lines[0].contains("taken"),
            "{said}"
        );
        assert!(lines[1].contains("--listen"), "{said}");
    }
    let arguments = ["--listen", "127.0.0.1:0", "--metrics-listen", &address];
    let said = fail(&arguments, &[]);
    assert!(lines(&said)[1].contains("--metrics-listen"), "{said}");
}

#[test]
fn a_port_that_another_tidings_has() {
    let server = Server::start();
    let address = server.address().to_string();
    for shards in ["1", "2"] {
        let said = fail(&["--listen", &address, "--shards", shards], &[]);
        assert!(lines(&said)[0].contains("taken"), "{said}");
    }
}

#[test]
fn a_data_directory_that_cannot_be_written_or_is_in_use() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().join("data");
    let said = fail(
        &["--listen", "127.0.0.1:0", "--data", path.to_str().unwrap()],
        &[],
    );
    assert!(lines(&said)[0].contains(path.to_str().unwrap()), "{said}");
    let server = Server::start();
    let data = server.data();
    let said = fail(
        &["--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()],
        &[],
    );
    assert!(lines(&said)[0].contains("in use"), "{said}");
}

#[test]
fn a_data_directory_whose_log_is_none() {
    let server = Server::start();
    let names: Vec<_> = std::fs::read_dir(server.data())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    drop(server);
    let dir = tempfile::tempdir().unwrap();
    for name in names {
        std::fs::write(dir.path().join(name), "this is no log\n".repeat(1000)).unwrap();
    }
    let said = fail(
        &[
            "--listen",
            "127.0.0.1:0",
            "--data",
            dir.path().to_str().unwrap(),
        ],
        &[],
    );
    assert!(
        lines(&said)[0].contains(dir.path().to_str().unwrap()),
        "{said}"
    );
}

#[test]
fn a_broken_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tidings.toml");
    let path = path.to_str().unwrap();
    let said = fail(&["--config", path], &[]);
    assert!(lines(&said)[0].contains(path), "{said}");
    for (text, line, advice) in [
        (
            "data = \"x\"\nlisen = \"127.0.0.1:0\"\n",
            "line 2",
            "`listen`",
        ),
        ("[limits]\n\nbodi = 3\n", "line 3", "`body`"),
        ("shards = \"two\"\n", "line 1", "tidings config"),
        ("[auth]\nsecret = \"short\"\n", "[auth]", "openssl"),
        ("allowed_origins = [\"*\"]\n", "allowed_origins", "https://"),
        ("shards = 0\n", "shards", "cores"),
        ("heartbeat = \"9ms\"\n", "heartbeat.interval", "\"10ms\""),
        ("heartbeat = 5\n", "line 1", "tidings config"),
    ] {
        std::fs::write(path, text).unwrap();
        let said = fail(&["--config", path], &[]);
        let lines = lines(&said);
        assert!(lines[0].contains(line), "{said}");
        assert!(lines[1].contains(advice), "{said}");
    }
}

#[test]
fn an_address_that_others_reach_without_anything_to_say_who_may() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let said = fail(&["--listen", address], &[]);
        let lines = lines(&said);
        assert!(lines[0].contains("other machines"), "{said}");
        assert!(lines[1].contains("TIDINGS_AUTH_SECRET"), "{said}");
        assert!(lines[1].contains("--insecure"), "{said}");
    }
}

#[test]
fn settings_that_make_no_sense() {
    let secret = [("TIDINGS_AUTH_SECRET", "too short")];
    assert!(lines(&fail(&[], &secret))[0].contains("32"));
    assert!(lines(&fail(&["--listen", "nowhere"], &[]))[1].contains("HOST:PORT"));
    let arguments = ["--listen", "127.0.0.1:0", "--metrics-listen", "nowhere"];
    assert!(lines(&fail(&arguments, &[]))[0].contains("nowhere"));
    let environment = [("TIDINGS_LOG", "tidings=loudly")];
    let said = fail(&["--listen", "127.0.0.1:0"], &environment);
    assert!(lines(&said)[0].contains("TIDINGS_LOG"), "{said}");
    let environment = [("TIDINGS_LISTEN", "nowhere")];
    assert!(lines(&fail(&[], &environment))[0].contains("nowhere"));
    let said = fail(&["--heartbeat", "2h"], &[]);
    assert!(lines(&said)[0].contains("heartbeat.interval"), "{said}");
    // clap's own: a slip of the pen is noticed there as well.
    assert!(fail(&["--lisen", "127.0.0.1:0"], &[]).contains("--listen"));
}

#[test]
fn a_certificate_that_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("chain.pem"), path("key.pem"));
    let listen = ["--listen", "127.0.0.1:0", "--tls-certificate", &certificate];
    let both = [&listen[..], &["--tls-key", &key]].concat();
    assert!(lines(&fail(&listen, &[]))[1].contains("--tls-key"));
    let said = fail(&both, &[]);
    assert!(lines(&said)[0].contains(&certificate), "{said}");
    std::fs::write(&certificate, "no certificate\n").unwrap();
    std::fs::write(&key, "no key\n").unwrap();
    let said = fail(&both, &[]);
    assert!(lines(&said)[0].contains("no certificate in PEM"), "{said}");
    assert!(lines(&said)[1].contains("fullchain.pem"), "{said}");
    let said = fail(&["--listen", "127.0.0.1:0", "--hsts", "1d"], &[]);
    assert!(lines(&said)[1].contains("--tls self-signed"), "{said}");
    let said = fail(&["--tls", "homemade"], &[]);
    assert!(said.contains("self-signed"), "{said}");
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tidings.toml");
    std::fs::write(&path, "listen = \"file\"\n").unwrap();
    let path = path.to_str().unwrap();
    let environment = [("TIDINGS_LISTEN", "environment")];
    assert!(fail(&["--config", path], &[]).contains("\"file\""));
    assert!(fail(&["--config", path], &environment).contains("\"environment\""));
    let flag = ["--config", path, "--listen", "flag"];
    assert!(fail(&flag, &environment).contains("\"flag\""));
    std::fs::write(path, "heartbeat = \"1ms\"\n").unwrap();
    let environment = [("TIDINGS_HEARTBEAT", "2ms")];
    assert!(fail(&["--config", path], &[]).contains("1ms"));
    assert!(fail(&["--config", path], &environment).contains("2ms"));
    let flag = ["--config", path, "--heartbeat", "3ms"];
    assert!(fail(&flag, &environment).contains("3ms"));
}
