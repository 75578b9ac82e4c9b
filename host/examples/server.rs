//! What a busy server keeps: how soon the first view of a long history is there, and what tasks take while
//! many follow their run. `cargo xtask bench server`; the machine should have nothing else to do.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mobula_contract::{EventBody, Folders, Pipeline, RunEvent, RunId, RunStatus, parse_pipeline};
use mobula_store::{NewRun, Store};
use serde_json::{Map, Value as Json, json};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Runs of the history.
const RUNS: usize = 10_000;
/// How often each page is asked for.
const VIEWS: usize = 50;
/// Who follow a run at once.
const READERS: usize = 200;
/// Tasks of a run: enough that most of them run after the last reader came.
const TASKS: usize = 200_000;
/// Runs without readers and with them, in turn. Of each kind the median counts, so an odd number.
const PAIRS: usize = 3;
/// Longest wait for anything that has to come.
const LONG: Duration = Duration::from_secs(300);
/// Readers sit on other machines in earnest; here they give way to the server as far as the system lets them.
const NICENESS: i32 = 19;

fn main() -> Result<()> {
    let args: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    let [program, noop] = &args[..] else { return Err("usage: server PROGRAM PLUGIN".into()) };
    let home = tempfile::tempdir()?;
    let begun = Instant::now();
    let store = Store::open(home.path())?;
    fill(&store)?;
    say(&format!("{RUNS} runs are entered, in {:.0} s", begun.elapsed().as_secs_f64()))?;
    let server = Server::start(program, home.path(), noop)?;
    server.tell_views()?;
    server.tell_latency(&store)
}

/// A history: runs of the reference pipeline with their first and last events.
fn fill(store: &Store) -> Result<()> {
    let text = include_str!("../pipelines/cifar10.toml");
    let here = Path::new(".");
    let pipeline: Pipeline =
        parse_pipeline("cifar10.toml", text, Folders { base: here, current: here }, &[])?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let first = u64::try_from(now)?.saturating_sub(RUNS as u64);
    for number in 0..RUNS {
        let id = RunId::new(first + number as u64, 0);
        store.create_run(&NewRun { id: &id, pipeline: &pipeline })?;
        let mut result = Map::new();
        let (status, error) = match number % 10 {
            7 => (RunStatus::Interrupted, None),
            8 => (RunStatus::Failed, Some("stage load failed: no grant allows it".to_owned())),
            _ => (RunStatus::Succeeded, None),
        };
        if status == RunStatus::Succeeded {
            result.insert("test_accuracy".to_owned(), json!(0.7));
        }
        let began = EventBody::RunStarted { workers: 2, resumed: false };
        let ended = EventBody::RunEnded { status, result, error };
        let events = [(0.0, began), (40.0, ended)].map(|(at_s, body)| RunEvent { at_s, body });
        store.append(&id, &events)?;
    }
    Ok(())
}

/// A server over the home, which goes with this.
struct Server {
    child: Child,
    address: String,
    token: String,
    agent: ureq::Agent,
}

impl Server {
    fn start(program: &Path, home: &Path, noop: &Path) -> Result<Self> {
        let command = |args: &[&str]| {
            let mut command = Command::new(program);
            command.arg("--home").arg(home).args(args);
            command
        };
        let pushed = command(&["plugin", "push"]).arg(noop).output()?;
        if !pushed.status.success() {
            return Err(String::from_utf8_lossy(&pushed.stderr).into_owned().into());
        }
        let given = command(&["tenant", "token", "default", "--admin", "--json"]).output()?;
        let given: Json = serde_json::from_slice(&given.stdout)?;
        let token = given["token"].as_str().ok_or("no token was given")?.to_owned();
        let ports = home.join("ports.json");
        let mut serve = command(&["serve", "--listen", "127.0.0.1:0", "--ports-file"]);
        serve.arg(&ports).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = serve.spawn()?;
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(LONG)).build().into();
        let mut server = Self { child, address: String::new(), token, agent };
        server.address = until("the server does not listen", || {
            let Ok(text) = std::fs::read_to_string(&ports) else { return Ok(None) };
            let document: Json = serde_json::from_str(&text)?;
            Ok(document["address"].as_str().map(str::to_owned))
        })?;
        Ok(server)
    }

    fn get(&self, path: &str) -> Result<String> {
        let address = format!("http://{}{path}", self.address);
        let bearer = format!("Bearer {}", self.token);
        Ok(self
            .agent
            .get(&address)
            .header("Authorization", &bearer)
            .call()?
            .body_mut()
            .read_to_string()?)
    }

    fn ask(&self, path: &str) -> Result<Json> {
        Ok(serde_json::from_str(&self.get(path)?)?)
    }

    /// What the dashboard asks for: one page, and everything of its first view.
    fn tell_views(&self) -> Result<()> {
        let page = self.get("/")?;
        // What the page loads, in `src="/…"` and `href="/…"`.
        let mut first: Vec<String> = page
            .split('"')
            .filter(|text| text.starts_with("/assets/"))
            .map(str::to_owned)
            .collect();
        if first.is_empty() {
            say("the program is without its dashboard: the first view is that of the API alone")?;
        }
        first.insert(0, "/".to_owned());
        let asked = ["/session", "/overview", "/runs?limit=50"];
        first.extend(asked.iter().map(|path| format!("/api/v1{path}")));
        let first: Vec<&str> = first.iter().map(String::as_str).collect();
        let middle = self.middle()?;
        let pages = [
            ("first page", "/api/v1/runs?limit=50"),
            ("page in the middle", middle.as_str()),
            ("failed ones", "/api/v1/runs?status=failed&limit=50"),
            ("search, 50 of 1000", "/api/v1/runs?q=no+grant&limit=50"),
            ("search, none of all", "/api/v1/runs?q=nowhere&limit=50"),
        ];
        for (name, path) in pages {
            self.tell(name, &[path])?;
        }
        self.tell("first view with page and scripts, one after another (goal: 1000 ms)", &first)
    }

    /// The address of the page that begins after half of the runs.
    fn middle(&self) -> Result<String> {
        let mut after = String::new();
        for _ in 0..RUNS / 2 / 200 {
            let page = self.ask(&format!("/api/v1/runs?limit=200{after}"))?;
            after = format!("&after={}", page["next"].as_str().ok_or("the history is too short")?);
        }
        Ok(format!("/api/v1/runs?limit=50{after}"))
    }

    fn tell(&self, name: &str, paths: &[&str]) -> Result<()> {
        let mut found = Vec::new();
        for _ in 0..VIEWS {
            let begun = Instant::now();
            for path in paths {
                self.get(path)?;
            }
            found.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        let [median, p99] = [0.5, 0.99].map(|share| quantile(&mut found, share));
        say(&format!("{name}: median {median:.1} ms, p99 {p99:.1} ms, of {VIEWS}"))
    }

    /// What a task takes in a run that nobody follows, beside one that many follow.
    fn tell_latency(&self, store: &Store) -> Result<()> {
        rustix::process::nice(NICENESS)?;
        let (mut alone, mut followed) = (Vec::new(), Vec::new());
        // The first one warms up.
        self.latency(store, 0)?;
        for pair in 0..PAIRS {
            let (without, with) = (self.latency(store, 0)?, self.latency(store, READERS)?);
            say(&format!(
                "pair {pair}: a task takes {:.1} us alone (p99 {:.0}), {:.1} us with {READERS} readers (p99 {:.0}), \
                 who took {:.0} MB: {:.2} times",
                without.median_us,
                without.p99_us,
                with.median_us,
                with.p99_us,
                with.read_mb,
                with.median_us / without.median_us
            ))?;
            alone.push(without.median_us);
            followed.push(with.median_us);
        }
        let [alone, followed] = [&mut alone, &mut followed].map(|found| quantile(found, 0.5));
        say(&format!(
            "median of a task: {alone:.1} us alone, {followed:.1} us with {READERS} readers: {:.2} times (goal: 1.5)",
            followed / alone
        ))
    }

    /// The latency of tasks of a run, each begun when the one before it is done, after the last reader came.
    fn latency(&self, store: &Store, readers: usize) -> Result<Latency> {
        let run = self.begin()?;
        let read = AtomicU64::new(0);
        let (from_s, streams) = std::thread::scope(|scope| -> Result<_> {
            let streams =
                (0..readers).map(|_| self.follow(&run)).collect::<Result<Vec<TcpStream>>>()?;
            for stream in &streams {
                let mut stream = stream.try_clone()?;
                let read = &read;
                std::thread::Builder::new().stack_size(256 << 10).spawn_scoped(
                    scope,
                    move || {
                        let mut buffer = vec![0; 64 << 10];
                        while let Ok(count @ 1..) = stream.read(&mut buffer) {
                            read.fetch_add(count as u64, Ordering::Relaxed);
                        }
                    },
                )?;
            }
            let from_s = self.newest()?["wall_s"].as_f64().ok_or("a run without a time")?;
            let ended = until("the run does not end", || {
                let row = self.newest()?;
                Ok((row["live"] == json!(false)).then_some(row))
            });
            // Whoever still reads is sent away, however the run went.
            for stream in &streams {
                let _ = stream.shutdown(Shutdown::Both);
            }
            let ended = ended?;
            match ended["status"].as_str() {
                Some("succeeded") => Ok((from_s, streams.len())),
                _ => Err(format!("the run ended badly: {ended}").into()),
            }
        })?;
        assert_eq!(streams, readers, "each reader has a stream");
        let starts = store.events(&run, 0)?.into_iter().filter_map(|(_, event)| match event.body {
            EventBody::StageStarted { .. } if event.at_s >= from_s => Some(event.at_s),
            _ => None,
        });
        let starts: Vec<f64> = starts.collect();
        let mut found: Vec<f64> = starts.windows(2).map(|pair| (pair[1] - pair[0]) * 1e6).collect();
        if found.len() < TASKS / 10 {
            return Err(format!(
                "only {} tasks ran after {readers} readers came, at {from_s:.1} s",
                found.len()
            )
            .into());
        }
        let [median_us, p99_us] = [0.5, 0.99].map(|share| quantile(&mut found, share));
        #[expect(clippy::cast_precision_loss, reason = "a count of bytes")]
        Ok(Latency { median_us, p99_us, read_mb: read.into_inner() as f64 / 1e6 })
    }

    fn begin(&self) -> Result<RunId> {
        let pipeline = format!(
            "[pipeline]\nname = \"nothing\"\nseed = 1\n[[stage]]\nname = \"nothing\"\n\
             task = \"hostile/nothing\"\nrepeat = {TASKS}\n[checkpoint]\npolicy = \"never\"\n"
        );
        let address = format!("http://{}/api/v1/runs", self.address);
        let request = self
            .agent
            .post(&address)
            .header("Authorization", &format!("Bearer {}", self.token))
            .header("Content-Type", "application/json");
        let body = json!({ "pipeline": pipeline }).to_string();
        let started: Json =
            serde_json::from_str(&request.send(body)?.body_mut().read_to_string()?)?;
        let run = started["run"].as_str().and_then(RunId::parse);
        run.ok_or_else(|| format!("no run was started: {started}").into())
    }

    fn newest(&self) -> Result<Json> {
        Ok(self.ask("/api/v1/runs?limit=1")?["runs"][0].clone())
    }

    /// A stream of the run's events that has answered.
    fn follow(&self, run: &RunId) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(&self.address)?;
        let (address, token) = (&self.address, &self.token);
        let head = format!(
            "GET /api/v1/runs/{run}/stream HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        match &status {
            b"HTTP/1.1 200" => Ok(stream),
            _ => Err(format!("a stream was refused: {}", String::from_utf8_lossy(&status)).into()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Latency {
    median_us: f64,
    p99_us: f64,
    read_mb: f64,
}

/// Asks until there is an answer.
fn until<T>(wrong: &str, ask: impl Fn() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + LONG;
    while Instant::now() < end {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(wrong.into())
}

/// The value below which such a share of all lies; of a share that falls between two, the upper one.
fn quantile(found: &mut [f64], share: f64) -> f64 {
    found.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a list"
    )]
    let place = (found.len() as f64 * share) as usize;
    found[place.min(found.len() - 1)]
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
