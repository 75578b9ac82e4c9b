//! Runs on a server: followed live, taken up after its end, the same weights as anywhere else.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;
mod served;

use std::io::{BufRead as _, BufReader, Write as _};

use rustix::process::Signal;
use serde_json::{Value as Json, json};
use served::{Server, tiny};

/// Reads a stream of events from after `last`, until `enough` says so of what came or it ends. Gives ids with
/// their events, and whether its end was said.
fn read_stream(
    server: &Server,
    token: &str,
    run: &str,
    last: u64,
    enough: impl Fn(usize) -> bool,
) -> (Vec<(u64, Json)>, bool) {
    let mut stream = server.connect();
    let head = format!(
        "GET /api/v1/runs/{run}/stream HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nLast-Event-ID: {last}\r\n\r\n",
        server.address
    );
    stream.write_all(head.as_bytes()).unwrap();
    let (mut events, mut id, mut kind) = (Vec::new(), None, String::new());
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { break };
        if let Some(text) = line.strip_prefix("id: ") {
            id = Some(text.parse().unwrap());
        } else if let Some(text) = line.strip_prefix("event: ") {
            kind = text.to_owned();
        } else if let Some(data) = line.strip_prefix("data: ") {
            match kind.as_str() {
                "event" => events.push((id.take().unwrap(), serde_json::from_str(data).unwrap())),
                "end" => return (events, true),
                _ => assert!(id.is_none(), "{kind} has no id"),
            }
            if enough(events.len()) {
                break;
            }
        }
    }
    (events, false)
}

/// The digest of the tiny pipeline where nothing happens, from the command line.
fn undisturbed() -> String {
    undisturbed_after(12)
}

fn undisturbed_after(epochs: u32) -> String {
    let set = format!("stage.train.repeat={epochs}");
    let report = common::Mobula::new().tiny(&["--set", &set]).json();
    common::digest(&report, "trainer")
}

#[test]
fn a_stream_gives_each_event_once_however_often_it_breaks() {
    let server = Server::start();
    let red = server.tenant("red", &[]);
    let run = server.begin(&red, &["stage.train.repeat=12"]);
    let steady = std::thread::scope(|scope| {
        let steady = scope.spawn(|| read_stream(&server, &red, &run, 0, |_| false));
        let mut all: Vec<(u64, Json)> = Vec::new();
        loop {
            let last = all.last().map_or(0, |(id, _)| *id);
            let (events, over) = read_stream(&server, &red, &run, last, |count| count >= 5);
            all.extend(events);
            if over {
                break;
            }
        }
        let ids: Vec<u64> = all.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>());
        let (steady, over) = steady.join().unwrap();
        assert!(over);
        assert_eq!(steady, all);
        steady
    });
    assert_eq!(steady.last().unwrap().1["body"]["type"], "run_ended");
    let listed = server.ask(&red, "GET", &format!("/runs/{run}/events?limit=2000"), None).json(200);
    let listed: Vec<Json> = listed["events"].as_array().unwrap().clone();
    assert_eq!(listed, steady.into_iter().map(|(_, event)| event).collect::<Vec<_>>());
    let (none, over) = read_stream(&server, &red, &run, u64::MAX, |_| false);
    assert!(none.is_empty() && over);
    let graph = server.ask(&red, "GET", &format!("/runs/{run}/graph"), None).json(200);
    let nodes = graph["nodes"].as_array().unwrap();
    assert!(nodes.iter().all(|node| node["status"] == "succeeded"), "{graph:#}");
    assert!(graph["edges"].as_array().unwrap().len() >= 7);
    let row = &server.ask(&red, "GET", "/runs?q=tiny&status=succeeded", None).json(200)["runs"][0];
    assert_eq!((&row["run"], &row["live"]), (&json!(run), &json!(false)));
    assert!(row["accuracy"].as_f64().is_some(), "{row}");
}

#[test]
fn runs_go_on_by_themselves_after_the_server_ends_in_order_or_is_killed() {
    let expected = undisturbed_after(200);
    for signal in [Signal::TERM, Signal::KILL] {
        let mut server = Server::start();
        let red = server.tenant("red", &[]);
        let run = server.begin(&red, &["stage.train.repeat=200"]);
        server.until(&red, &run, |shown| {
            let stages = shown["report"]["stages"].as_array().unwrap();
            let trained =
                stages.iter().filter(|it| it["name"] == "train" && it["status"] == "succeeded");
            trained.count() >= 3
        });
        server.restart(signal);
        let done = server.until_done(&red, &run);
        assert_eq!(common::digest(&done["report"], "trainer"), expected, "{signal:?} {done:#}");
        assert_eq!(done["report"]["status"], "succeeded");
        let events =
            server.ask(&red, "GET", &format!("/runs/{run}/events?limit=2000"), None).json(200);
        let starts = events["events"].as_array().unwrap().iter();
        let starts: Vec<&Json> = starts.filter(|it| it["body"]["type"] == "run_started").collect();
        assert_eq!(starts.len(), 2, "{starts:#?}");
        assert_eq!(starts[1]["body"]["resumed"], true);
        // What is done or was cancelled is not taken up again.
        let cancelled = server.begin(&red, &["stage.train.repeat=5000"]);
        server.ask(&red, "POST", &format!("/runs/{cancelled}/cancel"), None).json(202);
        server.until_done(&red, &cancelled);
        server.restart(signal);
        let shown = server.ask(&red, "GET", &format!("/runs/{cancelled}"), None).json(200);
        assert_eq!(shown["report"]["status"], "interrupted");
        assert_eq!(shown["live"], false);
    }
}

#[test]
fn failures_are_made_where_they_are_allowed_and_recovered_from() {
    let server = Server::start();
    let red = server.tenant("red", &[]);
    let body = json!({ "pipeline": tiny(), "inject": ["train[2]:actor-crash"], "set": ["stage.train.repeat=12"] });
    let run = server.ask(&red, "POST", "/runs", Some(&body)).json(201);
    let run = run["run"].as_str().unwrap();
    let late = json!({ "spec": "evaluate:trap" });
    let injected = server.ask(&red, "POST", &format!("/runs/{run}/inject"), Some(&late));
    assert!([202, 409].contains(&injected.status), "{}", injected.text());
    let done = server.until_done(&red, run);
    assert_eq!(done["report"]["recoveries"].as_array().unwrap().len(), 1, "{done:#}");
    assert_eq!(common::digest(&done["report"], "trainer"), undisturbed());
    if injected.status == 202 {
        let failed = done["report"]["stages"].as_array().unwrap().iter();
        let failed = failed.filter(|it| it["name"] == "evaluate" && it["status"] == "failed");
        assert_eq!(failed.count(), 1, "{done:#}");
    }
    let again = server.ask(&red, "POST", &format!("/runs/{run}/rerun"), Some(&json!({})));
    let again = again.json(201)["run"].as_str().unwrap().to_owned();
    let refused = server.ask(&red, "POST", &format!("/runs/{again}/inject"), Some(&late));
    assert_eq!(refused.status, 409, "{}", refused.text());
    let again = server.until_done(&red, &again);
    assert_eq!(common::digest(&again["report"], "trainer"), undisturbed());
    assert_eq!(again["report"]["recoveries"], json!([]));
}

#[test]
fn a_plugin_is_looked_into_tried_and_enabled_before_a_run_uses_it() {
    let server = Server::start();
    let red = server.tenant("red", &[]);
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_mobula")).parent().unwrap();
    let component = std::fs::read(program.join("plugins/running_stats.wasm"))
        .or_else(|_| std::fs::read(program.join("plugins/running-stats.wasm")))
        .unwrap();
    let bearer = format!("Authorization: Bearer {red}");
    let wasm = "Content-Type: application/wasm";
    let pushed = server.send("POST", "/api/v1/plugins", &[&bearer, wasm], &component).json(201);
    assert_eq!((&pushed["name"], &pushed["enabled"]), (&json!("running-stats"), &json!(false)));
    let place = format!("/plugins/running-stats/{}", pushed["version"].as_str().unwrap());
    assert_eq!(server.ask(&red, "POST", &format!("{place}/enable"), None).status, 204);
    let shown = server.ask(&red, "GET", &place, None).json(200);
    assert_eq!((&shown["enabled"], &shown["builtin"]), (&json!(true), &json!(false)));
    let sample = json!({ "task": "subset", "args": { "size": 3 },
        "inputs": { "images": { "dtype": "u8", "shape": [8, 4, 4, 3] }, "labels": { "dtype": "u8", "shape": [8] } } });
    let tried = server.ask(&red, "POST", "/plugins/subset/0.1.0/try", Some(&sample)).json(200);
    let images =
        tried["outputs"].as_array().unwrap().iter().find(|it| it["name"] == "images").unwrap();
    assert_eq!(images["note"]["shape"], json!([3, 4, 4, 3]), "{tried}");
    assert_eq!(images["rows"][0].as_array().unwrap().len(), 48);
    let run = server.begin(&red, &["stage.train.repeat=300"]);
    let used = server.ask(&red, "POST", &format!("{place}/disable"), None);
    assert_eq!(used.status, 409, "{}", used.text());
    assert_eq!(server.ask(&red, "DELETE", &place, None).status, 409);
    server.ask(&red, "POST", &format!("/runs/{run}/cancel"), None).json(202);
    server.until_done(&red, &run);
    assert_eq!(server.ask(&red, "DELETE", &place, None).status, 204);
    assert_eq!(server.ask(&red, "DELETE", "/plugins/subset/0.1.0", None).status, 409, "built in");
}

/// A component with a section that means nothing: the same plugin in other bytes.
fn padded(component: &[u8]) -> Vec<u8> {
    [component, &[0, 5, 4], b"more"].concat()
}

#[test]
fn a_plugin_that_is_still_written_is_replaced_without_a_restart_and_runs_end_with_what_they_began_with()
 {
    let server = Server::start();
    let red = server.tenant("red", &[]);
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_mobula")).parent().unwrap();
    let component = std::fs::read(program.join("plugins/running-stats.wasm")).unwrap();
    let bearer = format!("Authorization: Bearer {red}");
    let push = |how: &str, component: &[u8]| {
        let path = format!("/api/v1/plugins?enable=true{how}");
        server.send("POST", &path, &[&bearer, "Content-Type: application/wasm"], component)
    };
    let first = push("", &component).json(201);
    assert_eq!(push("", &padded(&component)).status, 409, "not unless it is said");
    let run = server.begin(&red, &["stage.train.repeat=300"]);
    let second = push("&replace=true", &padded(&component)).json(201);
    assert_eq!(second["version"], first["version"]);
    assert_ne!(second["digest"], first["digest"]);
    let body = json!({ "pipeline": tiny() });
    let early = server.ask(&red, "POST", "/runs", Some(&body));
    assert!(early.status == 409 && early.text().contains("wait for its end"), "{}", early.text());
    let done = server.until_done(&red, &run);
    assert_eq!(done["report"]["status"], "succeeded", "{done:#}");
    let next = server.begin(&red, &[]);
    assert_eq!(server.until_done(&red, &next)["report"]["status"], "succeeded");
    let used = |run: &str| {
        let events = server.mobula.home.path().join("tenants/red/mobula.db");
        let store = mobula_store::Store::open(events.parent().unwrap()).unwrap();
        let pipeline = store.run_pipeline(&store.find_run(run).unwrap().run).unwrap();
        let pin = pipeline.plugins.iter().find(|pin| pin.name == "running-stats").cloned();
        pin.unwrap().digest
    };
    assert_eq!(
        [json!(used(&run)), json!(used(&next))],
        [first["digest"].clone(), second["digest"].clone()]
    );
}

#[test]
fn an_upload_that_breaks_off_is_made_again_when_the_server_is_back() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        // Goes away in the middle of the first.
        let (mut first, _) = listener.accept().unwrap();
        first.read_exact(&mut [0; 50_000]).unwrap();
        drop(first);
        let (second, _) = listener.accept().unwrap();
        let mut second = std::io::BufReader::new(second);
        let mut all = Vec::new();
        while !all.ends_with(b"the end") {
            let mut some = [0; 4096];
            let count = second.read(&mut some).unwrap();
            assert!(count > 0, "it ended early");
            all.extend_from_slice(&some[..count]);
        }
        let body = json!({ "name": "p", "version": "1.0.0", "digest": "blake3:0" }).to_string();
        let head = format!("HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n", body.len());
        second.get_mut().write_all((head + &body).as_bytes()).unwrap();
    });
    let mobula = common::Mobula::new();
    let file = mobula.home.path().join("p.wasm");
    std::fs::write(&file, [&vec![7; 4 << 20][..], b"the end"].concat()).unwrap();
    let file = file.display().to_string();
    let mut push = mobula.command(&["--server", &url, "plugin", "push", &file, "--json"]);
    let pushed = push.env("MOBULA_TOKEN", "mt_x").output().unwrap();
    assert_eq!(common::Ended::from_output(&pushed).json()["name"], "p");
    server.join().unwrap();
}

#[test]
fn a_pipeline_is_checked_as_it_is_typed() {
    let server = Server::start();
    let red = server.tenant("red", &[]);
    let check = |text: &str| {
        server.ask(&red, "POST", "/pipelines/check", Some(&json!({ "pipeline": text }))).json(200)
    };
    let good = check(&tiny());
    assert_eq!((&good["ok"], &good["problems"]), (&json!(true), &json!([])), "{good:#}");
    assert_eq!(good["grants"][0]["folder"], "synth");
    assert_eq!(good["stages"][1]["schema"]["properties"]["size"]["type"], "integer");
    let bad = check(&tiny().replace("size = 300", "size = \"many\""));
    assert_eq!(bad["ok"], false);
    let line = 1 + tiny().lines().position(|line| line == "name = \"train_subset\"").unwrap();
    assert_eq!(bad["problems"][0]["line"], json!(line), "{bad:#}");
    assert!(bad["problems"][0]["message"].as_str().unwrap().contains("args.size"));
    let broken = check("[pipeline]\nname = \"x\"\ncolour = 1\n");
    let lines: Vec<&Json> =
        broken["problems"].as_array().unwrap().iter().map(|problem| &problem["line"]).collect();
    assert!(lines.contains(&&json!(3)), "{broken:#}");
    let known = server.ask(&red, "GET", "/pipelines", None).json(200);
    assert_eq!(known["pipelines"][0]["name"], "cifar10");
}

#[test]
fn the_command_line_works_on_a_server_as_here() {
    let server = Server::start();
    let red = server.tenant("red", &[]);
    let here = common::Mobula::new();
    let url = format!("http://{}", server.address);
    here.run(&["--server", &url, "runs", "list"]).refused(3, &["mobula login"]);
    let mut login = here.command(&["login", &url, "--json"]);
    login.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut login = login.spawn().unwrap();
    login.stdin.take().unwrap().write_all(red.as_bytes()).unwrap();
    assert!(login.wait().unwrap().success());
    let on = |args: &[&str]| here.run(&[&["--server", &url], args].concat());
    let set = "stage.load.mounts.data=synth";
    let twelve = "stage.train.repeat=12";
    let report = on(&["run", common::TINY, "--json", "--set", set, "--set", twelve]).json();
    assert_eq!(common::digest(&report, "trainer"), undisturbed());
    let run = report["run"].as_str().unwrap();
    let whole = server.ask(&red, "GET", &format!("/runs/{run}"), None).json(200);
    assert_eq!(whole["report"], report);
    let brief = server.ask(&red, "GET", &format!("/runs/{run}?brief=true"), None).json(200);
    for list in ["stages", "checkpoints", "decisions", "recoveries"] {
        assert_eq!(brief["report"][list], json!([]));
    }
    assert_eq!(brief["report"]["account"], report["account"]);
    let runs = on(&["runs", "list", "--json"]).json();
    assert_eq!(runs["runs"][0]["run"], report["run"]);
    assert_eq!(on(&["runs", "show", "last", "--json"]).json()["run"], report["run"]);
    let checkpoints = on(&["checkpoints", "list", "--json"]).json();
    let rows = checkpoints["checkpoints"].as_array().unwrap();
    let id = rows.iter().find(|row| row["actor"] == "trainer").unwrap()["id"].as_str().unwrap();
    let file = here.home.path().join("w.safetensors");
    on(&["checkpoints", "export", id, "-o", file.to_str().unwrap(), "--json"]).json();
    assert!(std::fs::read(&file).unwrap()[8..].starts_with(b"{"));
    on(&["run", common::TINY, "--set", "stage.load.mounts.data=nosuch"]).refused(3, &["granted"]);
    on(&["runs", "show", "r-000000000000"]).refused(4, &["r-000000000000"]);
    on(&["tenant", "list"]).refused(2, &["this machine"]);
    on(&["run", common::TINY, "--engine", "ray"]).refused(2, &["--engine ray", "--server"]);
    on(&["runs", "resume", "last", "--workers", "2"]).refused(2, &["--workers", "--server"]);
    let slow = server.begin(&red, &["stage.train.repeat=5000"]);
    let cancelled = on(&["runs", "cancel", &slow, "--json"]).json();
    assert_eq!((&cancelled["run"], &cancelled["status"]), (&json!(slow), &json!("interrupted")));
    on(&["runs", "cancel", &slow]).refused(2, &["nothing to cancel"]);
    let done = report["run"].as_str().unwrap();
    let compared = on(&["runs", "compare", done, &slow, "--json"]).json();
    assert_eq!(compared["runs"][0]["result"], report["result"]);
    let rows = compared["parameters"].as_array().unwrap();
    let repeats = rows.iter().find(|row| row["path"] == "stage.train.repeat").unwrap();
    assert_eq!(repeats["values"], json!([12, 5000]));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(here.home.path().join("servers.json")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_run_of_the_command_line_is_stopped_by_the_server_of_its_home() {
    let server = Server::start();
    let mut command =
        server.mobula.command(&common::tiny_args(&["--set", "stage.train.repeat=4000"]));
    let null = std::process::Stdio::null;
    let mut child = command.stdout(null()).stderr(null()).spawn().unwrap();
    server.mobula.wait_for_an_epoch();
    let runs = server.ask(&server.admin, "GET", "/runs", None).json(200);
    let run = runs["runs"][0]["run"].as_str().unwrap();
    server.ask(&server.admin, "POST", &format!("/runs/{run}/cancel"), None).json(202);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let done = server.until_done(&server.admin, run);
    assert_eq!(done["report"]["status"], "interrupted");
}
