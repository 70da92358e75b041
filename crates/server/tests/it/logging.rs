//! What the server says on stderr while it runs: little, and as JSON where that is asked for.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Stdio};

use serde_json::Value;
use tidings_wire::Format;

use crate::support::http::Http;
use crate::support::server::tidings;
use crate::support::until;

/// A server whose stderr is kept.
struct Talker {
    child: Child,
    address: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Talker {
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = tidings()
            .args(["--listen", "127.0.0.1:0", "--shards", "2", "--data"])
            .arg(dir.path().join("data"))
            .args(arguments)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let url = line.trim().strip_prefix("chat")?.trim().to_owned();
            url.strip_prefix("http://")?.strip_suffix('/')?.parse().ok()
        });
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self {
            child,
            address: address.expect("a banner"),
            _dir: dir,
        }
    }

    /// Some life, among it what is not as it should be; then the end. What it has said.
    async fn live(mut self) -> String {
        let mut http = Http::connect(self.address).await;
        http.send("GET", "/nowhere", &[], b"").await;
        assert_eq!(http.response().await.status, 404);
        let mut broken = Http::connect(self.address).await;
        broken.write(b"no HTTP at all\r\n\r\n").await;
        until("the end of what is no HTTP", async || {
            broken.is_closed().await.then_some(())
        })
        .await;
        drop(http);
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let ended = until("the end", async || self.child.try_wait().unwrap()).await;
        assert!(ended.success());
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every line as an object that has what each must have.
fn objects(said: &str) -> Vec<Value> {
    let object = |line: &str| {
        let object: Value = Format::Json.decode(line.as_bytes()).expect(line);
        for key in ["timestamp", "level", "target", "message"] {
            assert!(object[key].is_string(), "{key}: {line}");
        }
        let timestamp = object["timestamp"].as_str().unwrap();
        assert!(
            timestamp.ends_with('Z') && timestamp.contains('T'),
            "{line}"
        );
        object
    };
    said.lines().map(object).collect()
}

#[tokio::test]
async fn a_server_that_is_well_says_nothing() {
    for arguments in [&[][..], &["--log-format", "json"]] {
        let said = Talker::start(arguments, &[]).live().await;
        assert_eq!(said, "", "{arguments:?}");
    }
}

#[tokio::test]
async fn json_is_one_object_a_line_however_much_is_asked_for() {
    let environment = [("TIDINGS_LOG", "debug"), ("TIDINGS_LOG_FORMAT", "json")];
    let said = Talker::start(&[], &environment).live().await;
    let objects = objects(&said);
    let serving = objects.iter().find(|line| line["message"] == "serving");
    let serving = serving.expect("it tells where it serves");
    assert_eq!(serving["level"], "INFO");
    assert_eq!(serving["shards"], 2);
    assert_eq!(serving["version"], env!("CARGO_PKG_VERSION"));
    assert!(objects.iter().any(|line| line["message"] == "ending"));
    let failed = objects
        .iter()
        .find(|line| line["message"] == "a connection failed");
    assert!(failed.expect("what is no HTTP")["error"].is_string());
}

#[tokio::test]
async fn text_is_for_people_and_without_colours_where_nobody_looks() {
    let said = Talker::start(&[], &[("TIDINGS_LOG", "info")]).live().await;
    assert!(
        said.contains(" INFO tidings::cli::serve: serving "),
        "{said}"
    );
    assert!(!said.contains('\x1b'), "{said}");
}

#[test]
fn a_start_that_cannot_be_is_told_in_json_as_well() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = ["--listen", &address, "--log-format", "json"];
    let output = tidings().args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = objects(std::str::from_utf8(&output.stderr).unwrap());
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0]["level"], "ERROR");
    let text = |key: &str| said[0][key].as_str().unwrap();
    assert!(text("message").contains(&address), "{said:?}");
    assert!(text("advice").contains("--listen"), "{said:?}");
}
