//! Encrypted connections: a server with a certificate of its own, and who believes it. `tests/tls` has two,
//! for `localhost` and for a hundred years, with keys that protect nothing.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;
mod served;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use common::Mobula;
use served::Server;

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls");

/// A server whose settings file names a certificate for `localhost`.
fn encrypted() -> Server {
    let mobula = Mobula::new();
    let home = mobula.home.path();
    for name in ["own.pem", "own.key", "other.pem"] {
        std::fs::copy(Path::new(FILES).join(name), home.join(name)).unwrap();
    }
    let settings = "certificate = \"own.pem\"\nkey = \"own.key\"\n";
    std::fs::write(home.join("serve.toml"), settings).unwrap();
    Server::over(mobula)
}

#[test]
fn commands_reach_an_encrypted_server_whose_certificate_they_know() {
    let server = encrypted();
    let port = server.address.rsplit_once(':').unwrap().1;
    let url = format!("https://localhost:{port}");
    let list = |authority: Option<&str>| {
        let mut list = server.mobula.command(&["--server", &url, "runs", "list", "--json"]);
        list.env("MOBULA_TOKEN", &server.admin).env_remove("MOBULA_CA");
        list.envs(authority.map(|name| ("MOBULA_CA", server.mobula.home.path().join(name))));
        list.output().unwrap()
    };
    let good = list(Some("own.pem"));
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    assert!(String::from_utf8_lossy(&good.stdout).contains("\"runs\":[]"));
    let refused = |authority, words: &str| {
        let answer = list(authority);
        let said = String::from_utf8_lossy(&answer.stderr).into_owned();
        assert!(!answer.status.success() && said.contains(words), "{said}");
    };
    refused(None, &format!("no answer from {url}"));
    refused(Some("other.pem"), &format!("no answer from {url}"));
    refused(Some("own.key"), "no certificate is in it");
    refused(Some("none.pem"), "none.pem");
}

#[test]
fn who_does_not_encrypt_gets_no_answer_and_nobody_waits_for_it() {
    let server = encrypted();
    let mut plain = TcpStream::connect(&server.address).unwrap();
    plain.set_read_timeout(Some(served::LONG)).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[test]
fn a_server_does_not_start_with_files_that_are_no_certificate_and_key() {
    let mobula = Mobula::new();
    std::fs::write(mobula.home.path().join("empty.pem"), "").unwrap();
    let empty = mobula.home.path().join("empty.pem").display().to_string();
    let of = |name: &str| format!("{FILES}/{name}");
    let pairs = [
        (of("own.pem"), of("other.key")),
        (empty, of("own.key")),
        (of("own.pem"), of("own.pem")),
        (of("none.pem"), of("own.key")),
    ];
    for (certificate, key) in pairs {
        let line =
            ["serve", "--listen", "127.0.0.1:0", "--certificate", &certificate, "--key", &key];
        let ended = mobula.run(&line);
        ended.refused(2, &[if key.ends_with("own.pem") { &key } else { &certificate }]);
    }
}

/// What the doctor says of the server, and whether it is content.
fn doctor(mobula: &Mobula, settings: &str) -> (bool, String) {
    std::fs::write(mobula.home.path().join("serve.toml"), settings).unwrap();
    let mut asked = mobula.command(&["doctor", "--json"]);
    asked.env_remove("MOBULA_LISTEN").env_remove("MOBULA_HOSTS").env_remove("MOBULA_CONFIG");
    let found = common::Ended::from_output(&asked.output().unwrap()).json();
    let checks = found["checks"].as_array().unwrap();
    let server = checks.iter().find(|check| check["name"] == "server").unwrap();
    (server["ok"].as_bool().unwrap(), server["text"].as_str().unwrap().to_owned())
}

#[test]
fn the_doctor_knows_settings_that_cannot_work_or_are_careless() {
    let mobula = Mobula::new();
    let tls = format!("certificate = \"{FILES}/own.pem\"\nkey = \"{FILES}/own.key\"\n");
    let says = |settings: &str, content: bool, words: &str| {
        let (ok, text) = doctor(&mobula, settings);
        assert!(ok == content && text.contains(words), "{settings}: {ok} {text}");
    };
    says("listen = \"127.0.0.1:0\"", true, "could listen");
    says("lisen = 1", false, "serve.toml");
    says("listen = \"0.0.0.0:0\"", false, "plain text");
    says(&format!("{tls}listen = \"0.0.0.0:0\""), false, "hosts names none");
    says(&format!("{tls}listen = \"0.0.0.0:0\"\nhosts = [\"m.example\"]"), true, "could listen");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    says(&format!("listen = \"{address}\""), false, &format!("cannot listen at {address}"));
    std::fs::remove_file(mobula.home.path().join("serve.toml")).unwrap();
    let server = Server::over(mobula);
    assert!(doctor(&server.mobula, "").1.contains("one is over"));
}
