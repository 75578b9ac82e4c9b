//! What a server lets nobody take: more than the quota, more than its memory, more than its patience.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;
mod served;

use std::io::{Read as _, Write as _};

use serde_json::{Value as Json, json};
use served::{Server, tiny};

const JSON: &str = "Content-Type: application/json";

#[test]
fn a_hundred_starts_at_once_get_no_more_than_the_quota() {
    let server = Server::start();
    let red = server.tenant("red", &["--runs", "2", "--requests", "none"]);
    let body = json!({ "pipeline": tiny(), "set": ["stage.train.repeat=5000"] });
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let start = || server.ask(&red, "POST", "/runs", Some(&body)).status;
        let all: Vec<_> = (0..100).map(|_| scope.spawn(start)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let count = |status: u16| statuses.iter().filter(|found| **found == status).count();
    assert_eq!((count(201), count(429)), (2, 98), "{statuses:?}");
    let runs = server.ask(&red, "GET", "/runs", None).json(200);
    let runs = runs["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2, "a refused start leaves nothing");
    for run in runs {
        let run = run["run"].as_str().unwrap();
        assert_eq!(server.ask(&red, "POST", &format!("/runs/{run}/cancel"), None).status, 202);
        let done = server.until_done(&red, run);
        assert_eq!(done["report"]["status"], "interrupted");
    }
    server.begin(&red, &["stage.train.repeat=1"]);
}

#[test]
fn what_can_never_fit_the_quota_is_refused_at_once() {
    let server = Server::start();
    let red = server.tenant("red", &["--cpus", "1", "--memory", "256MiB"]);
    let start = |sets: &[&str]| {
        server.ask(&red, "POST", "/runs", Some(&json!({ "pipeline": tiny(), "set": sets })))
    };
    let cpus = start(&["stage.train_subset.cpus=4"]);
    assert_eq!(cpus.status, 422, "{}", cpus.text());
    assert!(cpus.text().contains("train_subset"), "{}", cpus.text());
    let memory = start(&["stage.train_subset.memory=\"4GiB\""]);
    assert_eq!(memory.status, 422, "{}", memory.text());
    let run = server.begin(&red, &[]);
    server.until_done(&red, &run);
    server.mobula.run(&["tenant", "quota", "red", "--stored", "1MiB", "--json"]).json();
    let full = start(&[]);
    assert_eq!(full.status, 403, "{}", full.text());
    assert!(full.json(403)["detail"].as_str().unwrap().contains("quota"));
    let listed = server.ask(&red, "GET", "/runs", None).json(200);
    assert_eq!(listed["runs"].as_array().unwrap().len(), 1);
}

#[test]
fn requests_beyond_the_rate_wait_and_other_tenants_do_not() {
    let server = Server::start();
    let red = server.tenant("red", &["--requests", "5"]);
    let blue = server.tenant("blue", &[]);
    let answers: Vec<_> = (0..12).map(|_| server.ask(&red, "GET", "/mounts", None)).collect();
    assert!(answers[..5].iter().all(|answer| answer.status == 200));
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(refused.json(429)["type"], "/problems/rate");
    assert!(refused.header("retry-after").is_some());
    server.ask(&blue, "GET", "/mounts", None).json(200);
}

#[test]
fn a_tenant_of_whom_nothing_was_said_can_keep_dashboards_open() {
    let server = Server::start();
    let red = server.tenant("red", &[]);
    // Five pages of a run, each with all it asks for in a minute at its busiest.
    for number in 0..400 {
        let path = ["/overview", "/runs", "/plugins", "/session"][number % 4];
        let answer = server.ask(&red, "GET", path, None);
        assert_eq!(answer.status, 200, "request {number}: {}", answer.text());
    }
}

#[test]
fn bodies_are_bounded_and_uploads_leave_nothing_behind() {
    let server = Server::start();
    let red = server.tenant("red", &["--upload", "100KiB"]);
    let bearer = format!("Authorization: Bearer {red}");
    let giant = json!({ "pipeline": "x".repeat(3 << 20) }).to_string();
    let answer = server.send("POST", "/api/v1/runs", &[&bearer, JSON], giant.as_bytes());
    assert_eq!(answer.status, 413, "{}", answer.text());
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let answer = server.send("POST", "/api/v1/runs", &[&bearer, JSON], deep.as_bytes());
    assert_eq!(answer.status, 400, "{}", answer.text());
    let wasm = "Content-Type: application/wasm";
    let answer = server.send("POST", "/api/v1/plugins", &[&bearer, wasm], &vec![0; 300 << 10]);
    assert_eq!(answer.status, 413, "{}", answer.text());
    // Without a length, in pieces: it is counted as it comes.
    let head = format!(
        "POST /api/v1/plugins HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{bearer}\r\n{wasm}\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        server.address
    );
    let mut chunked = head.into_bytes();
    for _ in 0..40 {
        chunked.extend_from_slice(b"2000\r\n");
        chunked.extend_from_slice(&vec![b'a'; 0x2000]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let answer = server.raw(&chunked);
    assert_eq!(answer.status, 413, "{}", answer.text());
    // Broken off in the middle.
    let half = format!(
        "POST /api/v1/plugins HTTP/1.1\r\nHost: {}\r\n{bearer}\r\n{wasm}\r\nContent-Length: 50000\r\n\r\nabc",
        server.address
    );
    let mut stream = server.connect();
    stream.write_all(half.as_bytes()).unwrap();
    drop(stream);
    // No component, a bomb of one kind or another, and one with a name that is a path.
    let no_component: [&[u8]; 4] = [b"", b"\x1f\x8b\x08\x00zip", b"PK\x03\x04", b"\0asm\x01\0\0\0"];
    for bytes in no_component {
        let answer = server.send("POST", "/api/v1/plugins", &[&bearer, wasm], bytes);
        assert_eq!(answer.status, 422, "{}", answer.text());
    }
    let other = server.send("POST", "/api/v1/plugins", &[&bearer, JSON], b"{}");
    assert_eq!(other.status, 400);
    let listed = server.ask(&red, "GET", "/plugins", None).json(200);
    let mine = listed["plugins"].as_array().unwrap().iter().filter(|it| it["builtin"] == false);
    assert_eq!(mine.count(), 0, "{listed:#}");
    let left = server.mobula.home.path().join("tenants/red/tmp");
    let until = std::time::Instant::now() + served::LONG;
    while std::fs::read_dir(&left).unwrap().count() > 0 {
        assert!(std::time::Instant::now() < until, "an upload is left behind");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn who_sends_slowly_loses_its_connection_and_others_do_not_notice() {
    let server = Server::start();
    let slow: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").unwrap();
            stream
        })
        .collect();
    let bearer = format!("Authorization: Bearer {}", server.admin);
    let mut body = server.connect();
    let head = format!(
        "POST /api/v1/runs HTTP/1.1\r\nHost: {}\r\n{bearer}\r\n{JSON}\r\nContent-Length: 1000\r\n\r\n{{",
        server.address
    );
    body.write_all(head.as_bytes()).unwrap();
    server.ask(&server.admin, "GET", "/overview", None).json(200);
    for mut stream in slow {
        let mut rest = Vec::new();
        // Ends by itself: the read would fail after the longest wait otherwise.
        stream.read_to_end(&mut rest).unwrap();
    }
    let answer = served::read_answer(body);
    assert_eq!(answer.status, 400, "{}", answer.text());
    let long = format!("GET /{} HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(1 << 20), server.address);
    let answer = server.raw(long.as_bytes());
    assert!(answer.status == 0 || (400..500).contains(&answer.status), "{}", answer.status);
    server.ask(&server.admin, "GET", "/overview", None).json(200);
}

#[test]
fn paths_lead_to_no_file_of_the_machine() {
    let server = Server::start();
    let red = server.tenant("red", &[]);
    for path in [
        "/../Cargo.toml",
        "/..%2f..%2fetc%2fpasswd",
        "/assets/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/assets/%00",
        "/mobula.db",
        "/etc/passwd%00.html",
        "/\\..\\x.y",
    ] {
        let answer = server.send("GET", path, &[], b"");
        let page = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        assert!(answer.status == 404 || answer.status == 400 || page, "{path}: {}", answer.status);
        assert!(!answer.text().contains("root:") && !answer.text().contains("SQLite"), "{path}");
    }
    for place in
        ["/", "/etc", "..", "../..", "synth/..", "synth/../../..", "nosuch", "./synth/../x"]
    {
        let body =
            json!({ "pipeline": tiny(), "set": [format!("stage.load.mounts.data={place}")] });
        let answer = server.ask(&red, "POST", "/runs", Some(&body));
        assert_eq!(answer.status, 403, "{place}: {}", answer.text());
        let home = server.mobula.home.path().display().to_string();
        assert!(!answer.text().contains(&home), "{}", answer.text());
    }
    let body = json!({ "pipeline": tiny(), "set": ["actor.trainer.args.model=/etc/network.toml"] });
    assert_eq!(server.ask(&red, "POST", "/runs", Some(&body)).status, 403);
    for kill in ["train[1]:host-kill", "train[1]:host-kill@0.5"] {
        let body = json!({ "pipeline": tiny(), "inject": [kill] });
        assert_eq!(server.ask(&red, "POST", "/runs", Some(&body)).status, 403);
    }
    for name in ["", "..", "a/b", "A", "-a", "über", "a b", "tenants"] {
        let body = json!({ "name": name });
        let status = server.ask(&server.admin, "POST", "/admin/tenants", Some(&body)).status;
        assert_eq!(status, if name == "tenants" { 201 } else { 422 }, "{name}");
    }
    let page = server.send("GET", "/runs/r-000000000000", &[], b"");
    assert_eq!(page.status, 200, "a view of the dashboard");
    let plugin = server.send("GET", "/plugins/subset/0.1.0", &[], b"");
    assert_eq!((plugin.status, plugin.text()), (200, page.text()), "a view with dots in its name");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(page.header(name).unwrap(), value);
    }
    assert_eq!(server.send("GET", "/assets/nosuch.js", &[], b"").status, 404);
    assert_eq!(server.send("POST", "/", &[], b"").status, 404);
}

/// Values that fit nowhere, or somewhere by accident.
fn strange() -> Vec<Json> {
    let long = "y".repeat(5000);
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!(long),
        json!("\u{0}\u{202e}<script>"),
        json!([]),
        json!([null]),
        json!([[1]]),
        json!({}),
        json!({ "a": { "b": [1] } }),
        json!("[pipeline]"),
        json!("[pipeline]\nname = \"x\"\n"),
        json!(["stage.x=1"]),
        json!(["="]),
        json!(["trainer=c-1"]),
        json!(["train[4294967296]:trap"]),
        json!({ "runs": "many" }),
        json!({ "runs": -1, "cpus": "NaN" }),
    ]
}

#[test]
fn no_body_and_no_query_makes_the_server_fail() {
    let server = Server::start();
    let red = server.tenant("red", &["--requests", "none"]);
    let run = server.begin(&red, &["stage.train.repeat=1"]);
    server.until_done(&red, &run);
    let names = [
        ("{run}", run.as_str()),
        ("{id}", "c-1"),
        ("{stage}", "load"),
        ("{index}", "0"),
        ("{name}", "subset"),
        ("{version}", "0.1.0"),
        ("{tenant}", "red"),
        ("{token}", "mt_1"),
        ("{mount}", "m"),
    ];
    let mut asked = 0;
    for (method, path, operation) in server.routes() {
        if path.ends_with("/stream")
            || path == "/api/v1/session"
            || path == "/api/v1/admin/tenants/{tenant}"
        {
            continue;
        }
        let place = names
            .iter()
            .fold(path.replace("/api/v1", ""), |p, (name, value)| p.replace(name, value));
        let token = if path.contains("/admin/") { &server.admin } else { &red };
        let mut check = |place: &str, body: Option<&Json>| {
            let answer = server.ask(token, &method, place, body);
            asked += 1;
            assert!(
                (200..500).contains(&answer.status),
                "{method} {place} {body:?}: {}",
                answer.text()
            );
            if answer.status >= 400 {
                let problem = answer.json(answer.status);
                assert_eq!(problem["status"], answer.status, "{problem}");
            }
        };
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            for value in [
                "",
                "-1",
                "0",
                "99999999999999999999",
                "x",
                "%ff",
                "%00",
                "true",
                "1.r-000000000000",
            ] {
                match parameter["in"].as_str().unwrap() {
                    "query" => check(&format!("{place}?{name}={value}"), None),
                    "path" if !value.is_empty() => {
                        let place =
                            path.replace("/api/v1", "").replace(&format!("{{{name}}}"), value);
                        let place =
                            names.iter().fold(place, |p, (name, value)| p.replace(name, value));
                        check(&place, None);
                    }
                    _ => {}
                }
            }
        }
        if operation.get("requestBody").is_none() || path == "/api/v1/plugins" {
            continue;
        }
        let fields = [
            "pipeline", "set", "inject", "from", "chaos", "spec", "task", "args", "inputs", "name",
            "quota", "label", "days", "admin", "folder", "runs", "cpus",
        ];
        for value in strange() {
            check(&place, Some(&value));
            for field in fields {
                check(&place, Some(&json!({ field: value.clone() })));
                let both = json!({ "pipeline": tiny(), field: value.clone() });
                if field != "pipeline" && !path.ends_with("/runs") {
                    check(&place, Some(&both));
                }
            }
        }
    }
    assert!(asked > 2000, "{asked}");
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
