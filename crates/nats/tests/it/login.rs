//! What NATS asks of those who come: a login, and TLS with an authority of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair as Nkey;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidings_engine::Engine;
use tidings_nats::{Login, Nats, NatsConfig, NatsError, Tls};
use tidings_testkit::nats::Server;

use crate::support::{PATIENCE, config, hear, open, publish, read, until};

/// Whoever comes so is let in, publishes and reads.
fn is_let_in(config: &NatsConfig) {
    let node = open(config);
    publish(&node, "room", "1");
    assert_eq!(read(&node, "room", None).messages.len(), 1);
}

/// Whoever comes so is told why not, at once: with all the time that a start may have, no waiting would mend it.
fn told(config: NatsConfig) -> NatsError {
    const LONG: Duration = Duration::from_secs(3600);
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let opened = Nats::open(NatsConfig {
            connect_within: LONG,
            ..config
        });
        let _ = tell.send(opened.map(drop));
    });
    let opened = told.recv_timeout(PATIENCE).expect("it is told in time");
    let error = opened.expect_err("it is refused");
    println!("{error}\n  {}", error.advice());
    error
}

#[track_caller]
fn says(error: &NatsError, words: &[&str]) {
    let text = format!("{error}\n{}", error.advice());
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

fn password(user: &str, password: &str) -> Login {
    Login::Password {
        user: user.to_owned(),
        password: password.to_owned(),
    }
}

#[test]
fn a_user_has_a_password() {
    let server = Server::start(r#"authorization { user: "ada", password: "secret" }"#);
    let with = |login| NatsConfig {
        login,
        ..config(&server)
    };
    is_let_in(&with(password("ada", "secret")));
    let error = told(with(password("ada", "wrong")));
    assert!(matches!(error, NatsError::Refused { .. }), "{error}");
    says(&error, &["the user ada with this password", "`[nats]`"]);
    says(&told(with(Login::Anonymous)), &["somebody without a login"]);
}

#[test]
fn a_url_has_a_login() {
    let server = Server::start(r#"authorization { user: "ada", password: "se:cr@et" }"#);
    let at = |login: &str| NatsConfig {
        servers: vec![server.url().replace("nats://", &format!("nats://{login}@"))],
        ..config(&server)
    };
    is_let_in(&at("ada:se%3Acr%40et"));
    let error = told(at("ada:hidden"));
    says(&error, &["the user ada with this password"]);
    assert!(
        !format!("{error} {error:?}").contains("hidden"),
        "{error:?}"
    );
    // And a token where there is no password.
    let server = Server::start(r#"authorization { token: "tick" }"#);
    let at = |login: &str| NatsConfig {
        servers: vec![server.url().replace("nats://", &format!("nats://{login}@"))],
        ..config(&server)
    };
    is_let_in(&at("tick"));
    says(&told(at("tock")), &["this token"]);
}

#[test]
fn a_user_of_little_may_do_all_that_is_needed() {
    let server = Server::start(
        r#"authorization { users: [
            { user: "ada", password: "a", permissions: {
                publish: ["$JS.API.>", "td.>", "_INBOX.>"], subscribe: ["td.>", "_INBOX.>"]
            } },
            { user: "eve", password: "e", permissions: { publish: ["td.>"], subscribe: ["td.>"] } },
        ] }"#,
    );
    let with = |login| NatsConfig {
        login,
        ..NatsConfig::new([server.url()])
    };
    let nodes = [(); 2].map(|()| open(&with(password("ada", "a"))));
    let mut watch = nodes[1].watch();
    until("the nodes to know each other", || {
        nodes.iter().all(|it| it.statistics().nodes == 2)
    });
    publish(&nodes[0], "room", "1");
    assert_eq!(hear(&mut watch, 1), ["1"]);
    assert_eq!(read(&nodes[1], "room", None).messages.len(), 1);
    let error = crate::support::refusal(with(password("eve", "e")));
    assert!(matches!(error, NatsError::NoJetStream { .. }), "{error}");
    says(&error, &["$JS.API.>"]);
}

#[test]
fn a_token_is_enough() {
    let server = Server::start(r#"authorization { token: "tick" }"#);
    let with = |token: &str| NatsConfig {
        login: Login::Token(token.to_owned()),
        ..config(&server)
    };
    is_let_in(&with("tick"));
    says(&told(with("tock")), &["this token"]);
}

#[test]
fn an_nkey_signs() {
    let [known, stranger] = [(); 2].map(|()| Nkey::new_user());
    let server = Server::start(format!(
        "authorization {{ users: [{{ nkey: {} }}] }}",
        known.public_key()
    ));
    let with = |seed: &str| NatsConfig {
        login: Login::Nkey(seed.to_owned()),
        ..config(&server)
    };
    is_let_in(&with(&known.seed().expect("a pair has a seed")));
    let error = told(with(&stranger.seed().expect("a pair has a seed")));
    says(&error, &["this nkey"]);
    // What is no seed, such as the public half.
    let error = told(with(&known.public_key()));
    assert!(matches!(error, NatsError::Settings(_)), "{error}");
    says(&error, &["the nkey is no seed"]);
}

/// A claim about `subject`, signed by `issuer` (JWT with the algorithm `ed25519-nkey`).
fn jwt(issuer: &Nkey, subject: &Nkey, name: &str, nats: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let claims = json!({
        "jti": name, "iat": 0, "name": name, "iss": issuer.public_key(), "sub": subject.public_key(), "nats": nats,
    });
    let signed = format!("{}.{}", part(&head), part(&claims));
    let signature = issuer.sign(signed.as_bytes()).expect("a pair signs");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A credentials file as `nsc` makes it, for a new user of `account`.
fn credentials(path: &Path, account: &Nkey) -> PathBuf {
    let user = Nkey::new_user();
    let nats = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 });
    let jwt = jwt(account, &user, "ada", &nats);
    let seed = user.seed().expect("a pair has a seed");
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    fs::write(path, text).expect("a temporary folder can be written to");
    path.to_owned()
}

#[test]
fn an_operator_gives_out_credentials() {
    let operator = Nkey::new_operator();
    let [system, account, stranger] = [(); 3].map(|()| Nkey::new_account());
    let claim = |account: &Nkey, name| {
        let storage = if name == "SYS" { 0 } else { -1 };
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1,
            "leaf": -1, "mem_storage": storage, "disk_storage": storage, "streams": storage, "consumer": storage,
        });
        let nats = json!({ "type": "account", "version": 2, "limits": limits });
        format!(
            "{}: {}",
            account.public_key(),
            jwt(&operator, account, name, &nats)
        )
    };
    let own = json!({ "type": "operator", "version": 2 });
    let server = Server::start(format!(
        "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{\n{}\n{}\n}}",
        jwt(&operator, &operator, "O", &own),
        system.public_key(),
        claim(&system, "SYS"),
        claim(&account, "A"),
    ));
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = |name: &str| folder.path().join(name);
    let with = |path: PathBuf| NatsConfig {
        login: Login::Credentials(path),
        ..config(&server)
    };
    is_let_in(&with(credentials(&file("ada.creds"), &account)));
    let error = told(with(credentials(&file("eve.creds"), &stranger)));
    assert!(matches!(error, NatsError::Refused { .. }), "{error}");
    says(&error, &["eve.creds"]);
    let error = told(with(file("nobody.creds")));
    assert!(matches!(error, NatsError::Settings(_)), "{error}");
    says(&error, &["nobody.creds"]);
}

#[test]
fn clusters_of_the_same_name_in_two_accounts_are_two() {
    let server = Server::start(
        r#"accounts {
            A { jetstream: enabled, users: [{ user: "ada", password: "a" }] }
            B { jetstream: enabled, users: [{ user: "bob", password: "b" }] }
        }"#,
    );
    let at = |login| NatsConfig {
        login,
        ..NatsConfig::new([server.url()])
    };
    let [a, b] = ["ada", "bob"].map(|user| open(&at(password(user, &user[..1]))));
    assert_ne!(a.epochs(), b.epochs());
    let mut watches = [a.watch(), b.watch()];
    publish(&a, "room", "for a");
    publish(&b, "room", "for b");
    publish(&b, "room", "and b");
    // What each hears last has nothing of the other's before it.
    assert_eq!(hear(&mut watches[0], 1), ["for a"]);
    assert_eq!(hear(&mut watches[1], 2), ["for b", "and b"]);
    assert_eq!((a.head(0), b.head(0)), (1, 2));
    let ids = |node| -> Vec<_> {
        let messages = read(node, "room", None).messages;
        messages.into_iter().map(|it| it.id.to_string()).collect()
    };
    assert_eq!(
        (ids(&a), ids(&b)),
        (
            vec!["for a".to_owned()],
            vec!["for b".to_owned(), "and b".to_owned()]
        )
    );
    // A second one in A is known to the first, when B's has been heard of for as long.
    let second = open(&at(password("ada", "a")));
    until("the nodes of an account to know each other", || {
        a.statistics().nodes == 2
    });
    assert_eq!((second.epochs(), b.statistics().nodes), (a.epochs(), 1));
}

/// An authority, and a folder with its certificate and those that it gives out, PEM.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key can be made");
        let own = params.self_signed(&key).expect("a certificate can be made");
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        write(&folder.path().join("ca.pem"), &own.pem());
        let issuer = Issuer::new(params, key);
        Self { folder, issuer }
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for `host` and its key.
    fn give(&self, host: &str) -> (PathBuf, PathBuf) {
        let params = CertificateParams::new([host.to_owned()]).expect("a good name");
        let key = KeyPair::generate().expect("a key can be made");
        let given = params.signed_by(&key, &self.issuer).expect("it is signed");
        let at = |end: &str| self.folder.path().join(format!("{host}.{end}"));
        write(&at("pem"), &given.pem());
        write(&at("key"), &key.serialize_pem());
        (at("pem"), at("key"))
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a temporary folder can be written to");
}

/// A server that speaks TLS as `host`, with more of `tls`.
fn encrypted(authority: &Authority, host: &str, more: &str) -> Server {
    let (certificate, key) = authority.give(host);
    Server::start(format!(
        "tls {{ cert_file: {certificate:?}, key_file: {key:?}, {more} }}"
    ))
}

#[test]
fn a_server_is_trusted_by_its_authority() {
    let [own, other] = ["own", "other"].map(Authority::new);
    let server = encrypted(&own, "127.0.0.1", "");
    let trusting = |ca: Option<PathBuf>| NatsConfig {
        tls: Tls { ca, client: None },
        ..config(&server)
    };
    // Asked for by the server, and insisted on by us.
    is_let_in(&trusting(Some(own.certificate())));
    is_let_in(&NatsConfig {
        servers: vec![server.url().replace("nats://", "tls://")],
        ..trusting(Some(own.certificate()))
    });
    for ca in [Some(other.certificate()), None] {
        let error = told(trusting(ca));
        assert!(matches!(error, NatsError::Tls { .. }), "{error}");
        says(&error, &["UnknownIssuer", "`[nats] ca`"]);
    }
    // Files that are not there, or something else.
    let nowhere = told(trusting(Some("nowhere.pem".into())));
    assert!(matches!(nowhere, NatsError::Settings(_)), "{nowhere}");
    says(&nowhere, &["nowhere.pem"]);
    let (_, key) = own.give("somebody");
    says(
        &told(trusting(Some(key))),
        &["somebody.key has no certificate"],
    );
    // The certificate of another host.
    let server = encrypted(&own, "elsewhere.example", "");
    let error = told(NatsConfig {
        servers: vec![server.url()],
        ..trusting(Some(own.certificate()))
    });
    assert!(matches!(error, NatsError::Tls { .. }), "{error}");
    says(&error, &["elsewhere.example", "127.0.0.1"]);
    // One that speaks no TLS, where it is insisted on.
    let server = Server::start("");
    let error = told(NatsConfig {
        servers: vec![server.url().replace("nats://", "tls://")],
        ..trusting(Some(own.certificate()))
    });
    assert!(matches!(error, NatsError::Tls { .. }), "{error}");
    says(&error, &["it does not speak it"]);
}

#[test]
fn a_server_that_verifies_clients_wants_a_certificate() {
    let [own, other] = ["own", "other"].map(Authority::new);
    let verify = format!("ca_file: {:?}, verify: true", own.certificate());
    let server = encrypted(&own, "127.0.0.1", &verify);
    let showing = |client: Option<(PathBuf, PathBuf)>| NatsConfig {
        tls: Tls {
            ca: Some(own.certificate()),
            client,
        },
        ..config(&server)
    };
    let good = own.give("ada");
    is_let_in(&showing(Some(good.clone())));
    for client in [None, Some(other.give("eve"))] {
        let error = told(showing(client));
        assert!(matches!(error, NatsError::Tls { .. }), "{error}");
        says(&error, &["`certificate`", "`key`"]);
    }
    // A key that is another certificate's, and one that is none.
    let (_, strange) = own.give("eve");
    let error = told(showing(Some((good.0.clone(), strange))));
    assert!(matches!(error, NatsError::Settings(_)), "{error}");
    says(&error, &["eve.key"]);
    let error = told(showing(Some((good.0.clone(), good.0))));
    assert!(matches!(error, NatsError::Settings(_)), "{error}");
    says(&error, &["ada.pem has no private key"]);
}
