//! The same commands on a server: each asks its API, and shows the same documents as here.

mod beside;
mod kept;

use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use mobula_contract::{
    ActorSource, CheckpointPlan, Folders, Pipeline, RunEvent, RunReport, RunStatus, parse_pipeline,
};
use serde_json::{Value as Json, json};
use ureq::tls::{PemItem, RootCerts, TlsConfig};

use crate::args::{CheckpointsCommand, Command, EngineKind, RunArgs, RunHow, RunsCommand};
use crate::commands::plugin::{self, PluginCommand};
use crate::commands::runs::prose;
use crate::exit::{Ended, Exit};
use crate::home;
use crate::live::Live;
use crate::output::{Output, to_stdout};
use crate::serve::args::LoginArgs;

/// How often a run is looked at.
const POLL: Duration = Duration::from_millis(400);
/// A server that does not answer for so long is not there.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// Bytes of a document.
const DOCUMENT_BYTES_MAX: u64 = 256 << 20;

/// A server, and who asks it.
struct Remote {
    url: String,
    token: String,
    agent: ureq::Agent,
}

/// Performs a command on a server; `None` for those that are of this machine anyway.
pub(crate) fn perform(
    command: &Command,
    server: &str,
    home: Option<PathBuf>,
    output: Output,
) -> Option<anyhow::Result<()>> {
    let not_there = |what: &str| {
        let message = format!(
            "`mobula {what}` works on this machine only: leave --server and MOBULA_SERVER out"
        );
        Some(Err(Ended::error(Exit::Invalid, message)))
    };
    match command {
        Command::Login(_) | Command::Doctor | Command::Completions { .. } => None,
        Command::Model(_) => not_there("model"),
        Command::Data(_) => not_there("data"),
        Command::Serve(_) => not_there("serve"),
        Command::Tenant(_) => not_there("tenant"),
        Command::Pipeline(_) => not_there("pipeline"),
        Command::Simulate(_) => not_there("simulate"),
        Command::Plugin(
            PluginCommand::List { .. }
            | PluginCommand::Inspect { .. }
            | PluginCommand::Push { .. }
            | PluginCommand::Enable { .. }
            | PluginCommand::Disable { .. }
            | PluginCommand::Remove { .. },
        ) => Some(Remote::open(server, home).and_then(|remote| remote.perform(command, output))),
        Command::Plugin(PluginCommand::Dev { dir }) => Some(develop(dir, server, home, output)),
        Command::Plugin(_) => not_there("plugin new, build, check, test and run"),
        Command::Checkpoints(
            CheckpointsCommand::Verify { .. }
            | CheckpointsCommand::Gc { .. }
            | CheckpointsCommand::Import { .. },
        ) => not_there("checkpoints verify, gc and import"),
        _ => Some(Remote::open(server, home).and_then(|remote| remote.perform(command, output))),
    }
}

/// Builds and tests here; what is good goes to the server.
fn develop(dir: &Path, server: &str, home: Option<PathBuf>, output: Output) -> anyhow::Result<()> {
    let store = home::store(home.clone())?;
    let mut successor = kept::Running { remote: Remote::open(server, home)?, output };
    plugin::develop(dir, &store, &mut successor, output)
}

fn kept(home: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    Ok(home::folder(home)?.join("servers.json"))
}

fn read_kept(file: &Path) -> Json {
    let read = std::fs::read(file).ok();
    read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_else(|| json!({}))
}

/// Keeps a token for a server, after trying it. It is read from standard input, so that it stands in no
/// history of a shell.
pub(crate) fn login(args: &LoginArgs, home: Option<PathBuf>, output: Output) -> anyhow::Result<()> {
    let token = match std::env::var("MOBULA_TOKEN") {
        Ok(token) => token,
        Err(_) => {
            output.note("paste the token, then press enter and Ctrl-D");
            let mut text = String::new();
            std::io::stdin().take(1000).read_to_string(&mut text)?;
            text
        }
    };
    let remote = Remote::new(&args.server, token.trim())?;
    let session = remote.get("/session")?;
    let file = kept(home)?;
    let mut all = read_kept(&file);
    all[&remote.url] = json!(remote.token);
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let part = file.with_extension("part");
    // For nobody else's eyes, from its first byte on.
    let write = || {
        let mut options = std::fs::OpenOptions::new();
        let _ = std::fs::remove_file(&part);
        let mut part = options.write(true).create_new(true).mode(0o600).open(&part)?;
        part.write_all(all.to_string().as_bytes())
    };
    write().with_context(|| format!("cannot write {}", part.display()))?;
    std::fs::rename(&part, &file)?;
    let document = json!({ "$type": "login", "server": remote.url, "tenant": session["tenant"],
        "admin": session["admin"] });
    output.result(&document, || {
        let tenant = session["tenant"].as_str().unwrap_or_default();
        format!("logged in at {} as {tenant}: use it with --server or MOBULA_SERVER", remote.url)
    })
}

/// Who may vouch for a server: the authorities that browsers know, or those in the PEM file that
/// `MOBULA_CA` names, and no others.
fn tls() -> anyhow::Result<TlsConfig> {
    let Some(file) = std::env::var_os("MOBULA_CA").map(PathBuf::from) else {
        return Ok(TlsConfig::default());
    };
    let wrong = |why: &dyn std::fmt::Display| {
        Ended::error(Exit::Invalid, format!("MOBULA_CA={}: {why}", file.display()))
    };
    let pem = std::fs::read(&file).map_err(|e| wrong(&e))?;
    let mut known = Vec::new();
    for item in ureq::tls::parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| wrong(&e))? {
            known.push(certificate);
        }
    }
    if known.is_empty() {
        return Err(wrong(&"no certificate is in it"));
    }
    Ok(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&known)).build())
}

impl Remote {
    fn new(server: &str, token: &str) -> anyhow::Result<Self> {
        let url = server.trim_end_matches('/').to_owned();
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_recv_response(Some(ANSWER_TIME_MAX))
            .max_redirects(0)
            .tls_config(tls()?)
            .build();
        Ok(Self { url, token: token.to_owned(), agent: config.into() })
    }

    fn open(server: &str, home: Option<PathBuf>) -> anyhow::Result<Self> {
        let url = server.trim_end_matches('/');
        let known = || read_kept(&kept(home.clone()).ok()?)[url].as_str().map(str::to_owned);
        let token = std::env::var("MOBULA_TOKEN").ok().or_else(known).ok_or_else(|| {
            let message =
                format!("not logged in at {url}: `mobula login {url}`, or set MOBULA_TOKEN");
            Ended::error(Exit::Denied, message)
        })?;
        Self::new(url, token.trim())
    }

    fn place(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.url)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn get(&self, path: &str) -> anyhow::Result<Json> {
        let request = self.agent.get(self.place(path)).header("Authorization", self.bearer());
        self.document(request.call())
    }

    fn delete(&self, path: &str) -> anyhow::Result<Json> {
        let request = self.agent.delete(self.place(path)).header("Authorization", self.bearer());
        self.document(request.call())
    }

    fn post(&self, path: &str, body: &Json) -> anyhow::Result<Json> {
        let request = self.agent.post(self.place(path)).header("Authorization", self.bearer());
        let request = request.header("Content-Type", "application/json");
        self.document(request.send(body.to_string()))
    }

    fn document(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> anyhow::Result<Json> {
        let mut answer = self.answered(answer)?;
        let reader = answer.body_mut().with_config().limit(DOCUMENT_BYTES_MAX);
        let text = reader.read_to_string().context("the server's answer broke off")?;
        match text.is_empty() {
            true => Ok(Json::Null),
            false => Ok(serde_json::from_str(&text).context("the server's answer is no JSON")?),
        }
    }

    /// An answer, or the server's refusal as the exit code that the command has here.
    fn answered(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> anyhow::Result<ureq::http::Response<ureq::Body>> {
        let mut answer = answer
            .map_err(|e| Ended::error(Exit::Failed, format!("no answer from {}: {e}", self.url)))?;
        let status = answer.status().as_u16();
        if status < 300 {
            return Ok(answer);
        }
        let text = answer.body_mut().read_to_string().unwrap_or_default();
        let problem: Json = serde_json::from_str(&text).unwrap_or_default();
        let exit = match status {
            401 | 403 | 429 => Exit::Denied,
            404 => Exit::NotFound,
            400 | 409 | 413 | 422 => Exit::Invalid,
            _ => Exit::Failed,
        };
        let at = |problem: &Json| {
            let line = problem["line"].as_u64().map(|line| format!("{line}: ")).unwrap_or_default();
            format!("{line}{}", problem["message"].as_str().unwrap_or_default())
        };
        let message = match problem["problems"].as_array() {
            Some(problems) => problems.iter().map(at).collect::<Vec<_>>().join("\n"),
            None => match problem["detail"].as_str() {
                Some(detail) => detail.to_owned(),
                None => format!("{} answered {status}", self.url),
            },
        };
        Err(Ended::error(exit, message))
    }

    fn perform(&self, command: &Command, output: Output) -> anyhow::Result<()> {
        match command {
            Command::Run(args) => self.run(args, output),
            Command::Runs(command) => self.runs(command, output),
            Command::Plugin(command) => self.plugin(command, output),
            Command::Checkpoints(command) => self.checkpoints(command, output),
            _ => unreachable!("taken care of above"),
        }
    }

    fn run(&self, args: &RunArgs, output: Output) -> anyhow::Result<()> {
        leave_to_server(&args.how)?;
        let file = args.file.display().to_string();
        let text = std::fs::read_to_string(&args.file)
            .map_err(|e| Ended::error(Exit::NotFound, format!("cannot read {file}: {e}")))?;
        let base = args.file.parent().unwrap_or(Path::new("."));
        let folders = Folders { base, current: Path::new(".") };
        let pipeline = parse_pipeline(&file, &text, folders, &args.sets)
            .map_err(|e| Ended::error(Exit::Invalid, e.to_string()))?;
        let mut sets: Vec<String> = args.sets.iter().map(ToString::to_string).collect();
        // The server reads no files of ours: networks go as text.
        for actor in &pipeline.actors {
            let native = matches!(actor.source, ActorSource::Native { .. });
            if let Some(Json::String(model)) = actor.args.get("model").filter(|_| native)
                && model.ends_with(".toml")
            {
                let network = base.join(model);
                let text = std::fs::read_to_string(&network).map_err(|e| {
                    Ended::error(Exit::NotFound, format!("{}: {e}", network.display()))
                })?;
                sets.push(format!("actor.{}.args.model={}", actor.name, Json::String(text)));
            }
        }
        let from: Vec<String> =
            args.from.iter().map(|from| format!("{}={}", from.actor, from.place)).collect();
        let inject: Vec<String> = args.faults.iter().map(ToString::to_string).collect();
        let body = json!({ "pipeline": text, "set": sets, "inject": inject, "from": from });
        let started = self.post("/runs", &body)?;
        self.follow(started["run"].as_str().unwrap_or_default(), &pipeline, 0, output)
    }

    /// Shows a run as it goes on, to its end. Who goes away before leaves it running.
    fn follow(
        &self,
        run: &str,
        pipeline: &Pipeline,
        mut after: u64,
        output: Output,
    ) -> anyhow::Result<()> {
        if !output.json {
            output.note(&format!("run {run} on {}; Ctrl-C leaves it running there", self.url));
        }
        let mut live = Live::new(pipeline, output.json);
        loop {
            // First how it stands, then its events: none is missed at its end.
            let found = self.get(&format!("/runs?q={run}"))?;
            let entry =
                found["runs"].as_array().and_then(|all| all.iter().find(|e| e["run"] == run));
            let entry = entry.with_context(|| format!("run {run} is gone"))?;
            let status: RunStatus = serde_json::from_value(entry["status"].clone())?;
            loop {
                let page = self.get(&format!("/runs/{run}/events?limit=2000&after={after}"))?;
                let events = page["events"].as_array().cloned().unwrap_or_default();
                for event in &events {
                    let event = json!({ "at_s": event["at_s"], "body": event["body"] });
                    let event: RunEvent = serde_json::from_value(event)?;
                    live.see(&event);
                }
                after = page["last"].as_u64().unwrap_or(after);
                if events.is_empty() {
                    break;
                }
            }
            if status == RunStatus::Running {
                std::thread::sleep(POLL);
                continue;
            }
            let shown = self.get(&format!("/runs/{run}"))?;
            let report: RunReport = serde_json::from_value(shown["report"].clone())?;
            let message = match report.status {
                RunStatus::Running => continue,
                RunStatus::Succeeded => None,
                RunStatus::Failed => Some((
                    Exit::Failed,
                    format!(
                        "run {run} failed: {}",
                        report.error.as_deref().unwrap_or("it did not come to an end")
                    ),
                )),
                RunStatus::Interrupted => {
                    let how = format!(
                        "run {run} was interrupted; `mobula runs resume {run}` continues it"
                    );
                    Some((Exit::Interrupted, how))
                }
            };
            output.result(&report, || prose(&report))?;
            return match message {
                None => Ok(()),
                Some((exit, message)) => Err(Ended::error(exit, message)),
            };
        }
    }

    fn whole_name(&self, run: &str) -> anyhow::Result<String> {
        let page = match run {
            "last" => self.get("/runs?limit=1")?,
            run if run.len() == 14 => return Ok(run.to_owned()),
            run if run.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => {
                self.get(&format!("/runs?limit=2&q={run}"))?
            }
            _ => Json::Null,
        };
        match page["runs"].as_array().map(Vec::as_slice) {
            Some([only]) => Ok(only["run"].as_str().unwrap_or_default().to_owned()),
            Some([_, _]) => {
                Err(Ended::error(Exit::Invalid, format!("`{run}` fits more than one run")))
            }
            _ => Err(Ended::error(Exit::NotFound, format!("no run `{run}`"))),
        }
    }

    fn runs(&self, command: &RunsCommand, output: Output) -> anyhow::Result<()> {
        match command {
            RunsCommand::List => {
                let (mut runs, mut next) = (Vec::new(), String::new());
                loop {
                    let page = self.get(&format!("/runs?limit=200{next}"))?;
                    runs.extend(page["runs"].as_array().cloned().unwrap_or_default());
                    match page["next"].as_str() {
                        Some(after) => next = format!("&after={after}"),
                        None => break,
                    }
                }
                output.result(&json!({ "$type": "runs", "runs": runs }), || {
                    listed(&runs, &["run", "pipeline", "status", "wall_s"])
                })
            }
            RunsCommand::Show { run } => {
                let shown = self.get(&format!("/runs/{}", self.whole_name(run)?))?;
                let report: RunReport = serde_json::from_value(shown["report"].clone())?;
                output.result(&report, || prose(&report))
            }
            RunsCommand::Logs { run } | RunsCommand::Events { run } => {
                let logs = matches!(command, RunsCommand::Logs { .. });
                let run = self.whole_name(run)?;
                let (mut all, mut after) = (Vec::new(), 0);
                loop {
                    let page = self.get(&format!("/runs/{run}/events?limit=2000&after={after}"))?;
                    let events = page["events"].as_array().cloned().unwrap_or_default();
                    if events.is_empty() {
                        break;
                    }
                    after = page["last"].as_u64().unwrap_or(u64::MAX);
                    all.extend(events);
                }
                if !logs {
                    let document = json!({ "$type": "events", "events": all });
                    return output.result(&document, || lines(&all));
                }
                all.retain(|event| event["body"]["type"] == "log");
                let said: Vec<Json> = all
                    .iter()
                    .map(|event| {
                        let (body, stage) = (&event["body"], &event["body"]["stage"]);
                        json!({ "number": event["number"], "at_s": event["at_s"],
                            "stage": stage["name"], "index": stage["index"],
                            "level": body["level"], "message": body["message"] })
                    })
                    .collect();
                output.result(&json!({ "$type": "logs", "lines": said }), || {
                    listed(&said, &["at_s", "level", "stage", "message"])
                })
            }
            RunsCommand::Resume { run, how } => {
                leave_to_server(how)?;
                let run = self.whole_name(run)?;
                let seen = self.get(&format!("/runs/{run}"))?;
                let empty = Pipeline {
                    name: seen["pipeline"].as_str().unwrap_or_default().to_owned(),
                    seed: 0,
                    plugins: Vec::new(),
                    stages: Vec::new(),
                    actors: Vec::new(),
                    checkpoint: CheckpointPlan::default(),
                };
                if seen["report"]["status"] != "succeeded" {
                    self.post(&format!("/runs/{run}/resume"), &json!({}))?;
                }
                self.follow(&run, &empty, 0, output)
            }
            RunsCommand::Cancel { run, wait } => {
                self.cancel(run, Duration::from_secs_f64(*wait), output)
            }
            RunsCommand::Compare { runs } => self.compare(runs, output),
            RunsCommand::Timeline { run, output: file } => {
                let trace = self.get(&format!("/runs/{}/timeline", self.whole_name(run)?))?;
                match file {
                    None => to_stdout(&trace.to_string()),
                    Some(file) => crate::commands::write_file(file, trace.to_string().as_bytes()),
                }
            }
        }
    }
}

/// A server's runs are carried out as its own settings say.
fn leave_to_server(how: &RunHow) -> anyhow::Result<()> {
    let given = [
        ("--engine ray", how.engine == EngineKind::Ray),
        ("--address", how.address.is_some()),
        ("--workers", how.workers.is_some()),
        ("--memory", how.memory.is_some()),
        ("--plugin-dir", how.plugin_dir.is_some()),
        ("--keep-inputs", how.keep_inputs),
    ];
    let Some((option, _)) = given.into_iter().find(|(_, given)| *given) else { return Ok(()) };
    let message = format!(
        "{option} is for runs of this machine: leave it out, as a server has settings of its own, or \
         leave --server and MOBULA_SERVER out"
    );
    Err(Ended::error(Exit::Invalid, message))
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

/// Documents as a table of some of their fields.
fn listed(documents: &[Json], columns: &[&str]) -> String {
    let head = columns.iter().map(|name| (*name).to_owned()).collect();
    let rows = documents.iter().map(|it| columns.iter().map(|name| text(&it[*name])).collect());
    crate::output::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

fn lines(documents: &[Json]) -> String {
    documents.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
