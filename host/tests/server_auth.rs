//! Who may ask: tokens, sessions, tenants, pages of others. Routes come from the OpenAPI document, so that
//! a new one is tested without being named here.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;
mod served;

use std::collections::BTreeMap;
use std::io::Write as _;

use serde_json::{Value as Json, json};
use served::Server;

/// Routes by which one logs in.
const OPEN: [(&str, &str); 2] = [("POST", "/api/v1/session"), ("GET", "/api/v1/login")];

/// A path with names in the place of its parameters.
fn filled(path: &str, names: &BTreeMap<&str, String>) -> String {
    names
        .iter()
        .fold(path.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value))
}

/// Names that fit, of things that are not there.
fn strangers() -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("run", "r-000000000000".to_owned()),
        ("id", "c-000000000000-1".to_owned()),
        ("stage", "load".to_owned()),
        ("index", "0".to_owned()),
        ("name", "nosuch".to_owned()),
        ("version", "1.0.0".to_owned()),
        ("tenant", "nobody".to_owned()),
        ("token", "mt_00000000".to_owned()),
        ("mount", "data".to_owned()),
    ])
}

/// Queries and bodies that each route takes.
fn asked(method: &str, path: &str) -> (String, Option<Json>) {
    let query = match path {
        path if path.ends_with("/objects/{stage}/{index}") => "?field=x_train",
        path if path.ends_with("/image") => "?field=x_train",
        _ => "",
    };
    let body = match (method, path.trim_start_matches("/api/v1")) {
        ("POST", "/runs") => Some(json!({ "pipeline": "" })),
        ("POST", "/runs/{run}/rerun") => Some(json!({})),
        ("POST", "/runs/{run}/inject") => Some(json!({ "spec": "train[0]:trap" })),
        ("POST", "/pipelines/check") => Some(json!({ "pipeline": "" })),
        ("POST", "/plugins/{name}/{version}/try") => Some(json!({ "task": "subset" })),
        ("POST", "/admin/tenants") => Some(json!({ "name": "new" })),
        ("PATCH", _) => Some(json!({ "runs": 1 })),
        ("POST", "/admin/tenants/{tenant}/tokens") => Some(json!({})),
        ("PUT", _) => Some(json!({ "folder": "/" })),
        _ => None,
    };
    (query.to_owned(), body)
}

#[test]
fn no_route_answers_without_a_token() {
    let server = Server::start();
    for (method, path, _) in server.routes() {
        let (query, body) = asked(&method, &path);
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let place = filled(&path, &strangers()) + &query;
        let kind = "Content-Type: application/json";
        let answer = server.send(&method, &place, &[kind], body.as_bytes());
        if OPEN.contains(&(method.as_str(), path.as_str())) {
            assert!((400..500).contains(&answer.status), "{method} {path}: {}", answer.status);
            continue;
        }
        assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text());
        let problem = answer.json(401);
        assert_eq!(problem["type"], "/problems/unauthorized");
        assert!(problem["log_id"].as_str().unwrap().starts_with("q-"));
        let kind = answer.header("content-type").unwrap();
        assert_eq!(kind, "application/problem+json");
    }
    for path in [
        "/metrics",
        "/api",
        "/api/v1",
        "/api/v2/runs",
        "/api/v1/nosuch",
        "/api/v1/runs/",
        "/api//v1/runs",
    ] {
        assert_eq!(server.send("GET", path, &[], b"").status, 401, "{path}");
    }
    assert_eq!(server.send("GET", "/healthz", &["Host: probe"], b"").status, 200);
    // Neither the query nor another header is a place for a token.
    let query = format!("/api/v1/overview?token={}", server.admin);
    assert_eq!(server.send("GET", &query, &[], b"").status, 401);
    let basic = format!("Authorization: Basic {}", server.admin);
    assert_eq!(server.send("GET", "/api/v1/overview", &[&basic], b"").status, 401);
    assert_eq!(server.ask(&server.admin, "GET", "/overview", None).status, 200);
    let metrics = format!("Authorization: Bearer {}", server.admin);
    let metrics = server.send("GET", "/metrics", &[&metrics], b"");
    assert!(
        metrics.text().contains("mobula_http_responses_total{class=\"4xx\"}"),
        "{}",
        metrics.text()
    );
}

#[test]
fn what_another_tenant_has_is_as_if_it_never_was() {
    let server = Server::start();
    let (red, blue) = (server.tenant("red", &[]), server.tenant("blue", &[]));
    let run = server.begin(&red, &[]);
    let done = server.until_done(&red, &run);
    assert_eq!(done["report"]["status"], "succeeded", "{done:#}");
    let listed = server.ask(&red, "GET", "/checkpoints", None).json(200);
    let checkpoint = listed["checkpoints"][0]["id"].as_str().unwrap().to_owned();
    let component = std::fs::read(component("subset")).unwrap();
    let bearer = format!("Authorization: Bearer {red}");
    let headers = [bearer.as_str(), "Content-Type: application/wasm"];
    let pushed = server.send("POST", "/api/v1/plugins", &headers, &component).json(201);
    assert_eq!(pushed["enabled"], false);
    // The built-in one of the same name is everybody's; this one is red's.
    let digest = pushed["digest"].as_str().unwrap();
    let theirs = BTreeMap::from([
        ("run", run.clone()),
        ("id", checkpoint.clone()),
        ("stage", "load".to_owned()),
        ("index", "0".to_owned()),
        ("name", "nosuch".to_owned()),
        ("version", "1.0.0".to_owned()),
        ("tenant", "red".to_owned()),
        ("token", red[..11].to_owned()),
        ("mount", "synth".to_owned()),
    ]);
    let shared = server.ask(&blue, "GET", "/plugins", None).text();
    assert_eq!(shared.matches(digest).count(), 1, "only the built-in");
    for (method, path, _) in server.routes() {
        let (query, body) = asked(&method, &path);
        let place = filled(&path, &theirs).replace("/api/v1", "") + &query;
        if path.ends_with("/stream") && !path.contains('{') {
            continue;
        }
        let answer = server.ask(&blue, &method, &place, body.as_ref());
        let text = answer.text();
        if path.contains("/admin/") {
            assert_eq!(answer.status, 403, "{method} {path}: {text}");
        } else if path.contains('{') {
            assert_eq!(answer.status, 404, "{method} {path}: {text}");
            let never = filled(&path, &strangers()).replace("/api/v1", "") + &query;
            let never = server.ask(&blue, &method, &never, body.as_ref());
            assert_eq!(never.status, 404, "{method} {path}");
        } else if !path.ends_with("/session") {
            assert!(answer.status < 500, "{method} {path}: {text}");
            assert!(!text.contains(&run) && !text.contains(&checkpoint), "{method} {path}: {text}");
            assert!(!text.contains("\"red\""), "{method} {path}: {text}");
        }
    }
    // All of it is still red's.
    server.ask(&red, "GET", &format!("/runs/{run}"), None).json(200);
    let download = server.ask(&red, "GET", &format!("/checkpoints/{checkpoint}/download"), None);
    assert_eq!(download.status, 200, "{}", download.text());
    let header = u64::from_le_bytes(*download.body.first_chunk().unwrap());
    assert!(download.body[8..].starts_with(b"{") && header < download.body.len() as u64);
    // A state to begin with can only be one's own, and no file of the machine.
    for place in [checkpoint.as_str(), "/etc/passwd", "mobula.db"] {
        let body = json!({ "pipeline": served::tiny(), "from": [format!("trainer={place}")] });
        let refused = server.ask(&blue, "POST", "/runs", Some(&body));
        assert_eq!(refused.status, 404, "{place}: {}", refused.text());
    }
}

fn component(name: &str) -> std::path::PathBuf {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_mobula"));
    program.parent().unwrap().join("plugins").join(format!("{name}.wasm"))
}

#[test]
fn pages_of_others_can_neither_change_nor_read_anything() {
    let server = Server::start();
    let session = server.send(
        "POST",
        "/api/v1/session",
        &["Content-Type: application/json"],
        json!({ "token": server.admin }).to_string().as_bytes(),
    );
    assert_eq!(session.status, 200, "{}", session.text());
    let cookie = session.header("set-cookie").unwrap();
    for word in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    let own = format!("Origin: http://{}", server.address);
    let json = "Content-Type: application/json";
    for (method, path, _) in server.routes() {
        let (query, body) = asked(&method, &path);
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let place = filled(&path, &strangers()) + &query;
        // DNS rebinding: a name of theirs that means this machine.
        for host in ["Host: evil.example", "Host: 127.0.0.1", "Host: localhost:1", "Host: "] {
            let answer =
                server.send(&method, &place, &[host, &cookie, &own, json], body.as_bytes());
            assert_eq!(answer.status, 421, "{method} {path} {host}: {}", answer.text());
        }
        if method == "GET" {
            continue;
        }
        let origins = ["http://evil.example", "null", "http://localhost:1", "file://", "https://"];
        for origin in origins.map(|origin| format!("Origin: {origin}")) {
            let answer = server.send(&method, &place, &[&cookie, &origin, json], body.as_bytes());
            assert_eq!(answer.status, 403, "{method} {path} {origin}: {}", answer.text());
        }
        if !OPEN.contains(&(method.as_str(), path.as_str())) {
            let answer = server.send(&method, &place, &[&cookie, json], body.as_bytes());
            assert_eq!(answer.status, 403, "{method} {path} without Origin: {}", answer.text());
        }
        let twice = [cookie.as_str(), &own, "Origin: http://evil.example", json];
        assert_eq!(
            server.send(&method, &place, &twice, body.as_bytes()).status,
            403,
            "{method} {path}"
        );
        let site = [cookie.as_str(), &own, "Sec-Fetch-Site: cross-site", json];
        assert_eq!(
            server.send(&method, &place, &site, body.as_bytes()).status,
            403,
            "{method} {path}"
        );
    }
    // A form of another page sends no JSON.
    let form = [cookie.as_str(), &own, "Content-Type: text/plain"];
    assert_eq!(server.send("POST", "/api/v1/runs", &form, b"{}").status, 400);
    let shown = server.send("GET", "/api/v1/session", &[&cookie], b"").json(200);
    assert_eq!((&shown["tenant"], &shown["admin"]), (&json!("default"), &json!(true)));
    assert_eq!(server.send("DELETE", "/api/v1/session", &[&cookie, &own], b"").status, 204);
    assert_eq!(server.send("GET", "/api/v1/session", &[&cookie], b"").status, 401, "logged out");
}

#[test]
fn the_login_link_is_good_once_and_sessions_end_with_their_token() {
    let mut server = Server::start();
    let code = server.code();
    let link = format!("/api/v1/login?code={code}");
    let opened = server.send("GET", &link, &[], b"");
    assert_eq!(opened.status, 303, "{}", opened.text());
    assert_eq!(opened.header("location").unwrap(), "/");
    let cookie = opened.header("set-cookie").unwrap();
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    assert_eq!(server.send("GET", &link, &[], b"").status, 401, "used");
    assert_eq!(server.send("GET", "/api/v1/login?code=", &[], b"").status, 401);
    server.send("GET", "/api/v1/overview", &[&cookie], b"").json(200);
    server.restart(rustix::process::Signal::TERM);
    server.send("GET", "/api/v1/overview", &[&cookie], b"").json(200);
    assert_eq!(server.send("GET", &link, &[], b"").status, 401, "of an earlier start");

    let token = server.tenant("red", &[]);
    let body = json!({ "token": token }).to_string();
    let json = "Content-Type: application/json";
    let opened = server.send("POST", "/api/v1/session", &[json], body.as_bytes());
    let cookie = opened.header("set-cookie").unwrap();
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    let shown = server.send("GET", "/api/v1/session", &[&cookie], b"").json(200);
    assert_eq!((&shown["tenant"], &shown["admin"]), (&json!("red"), &json!(false)));
    server.mobula.run(&["tenant", "token", "red", "--revoke", &token[..11], "--json"]).json();
    assert_eq!(server.send("GET", "/api/v1/session", &[&cookie], b"").status, 401);
    assert_eq!(server.ask(&token, "GET", "/overview", None).status, 401);
    let acts = server.ask(&server.admin, "GET", "/admin/audit", None).text();
    for act in ["token.revoke", "session.open", "tenant.add", "tenant.mount", "token.add"] {
        assert!(acts.contains(act), "{acts}");
    }
    server.mobula.run(&["tenant", "token", "red", "--admin"]).refused(2, &["`default`"]);
    server.mobula.run(&["tenant", "remove", "red", "--json"]).json();
    server.mobula.run(&["tenant", "show", "red"]).refused(4, &["red"]);
}

#[test]
fn who_guesses_is_stopped_and_nobody_else() {
    let server = Server::start();
    let (red, blue) = (server.tenant("red", &[]), server.tenant("blue", &[]));
    let guess = format!("{}{}", &red[..red.len() - 4], "zzzz");
    let mut wrong = 0;
    while server.ask(&guess, "GET", "/overview", None).status == 401 {
        wrong += 1;
        assert!(wrong < 200, "nobody stops it");
    }
    assert!(wrong >= 20, "{wrong}");
    // Even the right one, as nobody can tell it from the next guess; but no other of the same address.
    assert_eq!(server.ask(&red, "GET", "/overview", None).status, 429);
    server.ask(&blue, "GET", "/overview", None).json(200);
    let codes =
        (0..40).map(|n| server.send("GET", &format!("/api/v1/login?code={n}"), &[], b"").status);
    let codes: Vec<u16> = codes.collect();
    assert!(codes[0] == 401 && codes.contains(&429), "{codes:?}");
}

#[test]
fn secrets_are_in_no_log_and_no_answer() {
    let server = Server::start();
    let red = server.tenant("red", &[]);
    let code = server.code();
    let (hidden, line) = (&red[12..], "\n{\"forged\":true}");
    let json = "Content-Type: application/json";
    let mut answers = vec![
        server.ask(&red, "GET", "/overview", None),
        server.ask(&red, "GET", &format!("/runs/{red}"), None),
        server.ask(&red, "GET", &format!("/overview?token={red}"), None),
        server.ask(&red, "GET", &format!("/runs?status={red}"), None),
        server.ask(&red, "POST", "/runs", Some(&json!({ "pipeline": 1, "token": red }))),
        server.ask(&red, "POST", "/runs", Some(&json!({ "pipeline": [red] }))),
        server.send("GET", &format!("/{red}"), &[], b""),
        server.send(&red[..20], "/", &[], b""),
        server.send(
            "POST",
            "/api/v1/session",
            &[json],
            json!({ "tokens": red }).to_string().as_bytes(),
        ),
        server.send(
            "POST",
            "/api/v1/session",
            &[json],
            json!({ "token": [red] }).to_string().as_bytes(),
        ),
        server.send(
            "POST",
            "/api/v1/session",
            &[json],
            json!({ "token": format!("{red}{line}") }).to_string().as_bytes(),
        ),
        server.send("GET", &format!("/api/v1/login?code={code}&x={red}"), &[], b""),
    ];
    answers.push(server.ask(&server.admin, "GET", "/admin/tenants", None));
    answers.push(server.ask(&server.admin, "GET", "/admin/audit", None));
    for (number, answer) in answers.iter().enumerate() {
        assert!(!answer.text().contains(hidden), "{number}: {}", answer.text());
        assert!(answer.status < 500, "{number}: {}", answer.text());
    }
    let log = server.log();
    assert!(!log.contains(hidden) && !log.contains(&server.admin[12..]), "{log}");
    assert_eq!(log.matches(&code).count(), 1, "only where the link is printed");
    assert!(!log.contains("\n{\"forged"), "{log}");
    assert!(log.contains("\"route\":\"/api/v1/runs/{run}\""), "{log}");
    let database = std::fs::read(server.mobula.home.path().join("mobula.db")).unwrap();
    assert!(!database.windows(hidden.len()).any(|part| part == hidden.as_bytes()));
}

#[test]
fn who_is_not_let_in_any_more_hears_no_more_and_a_tenant_goes_whole() {
    let server = Server::start();
    let red = server.tenant("red", &[]);
    let run = server.begin(&red, &["stage.train.repeat=5000"]);
    let listen = |path: &str| {
        let mut stream = server.connect();
        let head = format!(
            "GET /api/v1{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {red}\r\nConnection: close\r\n\r\n",
            server.address
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let streams = [listen(&format!("/runs/{run}/stream")), listen("/stream")];
    server.until(&red, &run, |shown| shown["report"]["stages"].as_array().unwrap().len() > 4);
    let place = "/admin/tenants/red";
    let refused = server.ask(&server.admin, "DELETE", place, None);
    assert_eq!(refused.status, 409, "{}", refused.text());
    server.mobula.run(&["tenant", "token", "red", "--revoke", &red[..11], "--json"]).json();
    for stream in streams {
        let heard = served::read_answer(stream);
        assert_eq!(heard.status, 200);
        assert!(!heard.text().contains("event: end"), "the run goes on");
    }
    server.ask(&server.admin, "GET", "/overview", None).json(200);
    let again = server.mobula.run(&["tenant", "token", "red", "--json"]).json();
    let again = again["token"].as_str().unwrap();
    server.ask(again, "POST", &format!("/runs/{run}/cancel"), None).json(202);
    server.until_done(again, &run);
    assert_eq!(server.ask(&server.admin, "DELETE", place, None).status, 204);
    assert_eq!(server.ask(again, "GET", "/overview", None).status, 401);
    assert!(!server.mobula.home.path().join("tenants/red").exists());
    // Who takes the name later finds nothing of it.
    let other = server.tenant("red", &[]);
    assert_eq!(server.ask(&other, "GET", &format!("/runs/{run}"), None).status, 404);
    assert_eq!(server.ask(&other, "GET", "/runs", None).json(200)["runs"], json!([]));
}
