//! A server as a user starts it, and a client that sends what no well-behaved client would.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::common::{Mobula, TINY, data};

/// Longest wait for anything that has to come.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// A server over a home folder of its own.
pub(crate) struct Server {
    pub(crate) mobula: Mobula,
    child: Child,
    pub(crate) address: String,
    /// An administrator's.
    pub(crate) admin: String,
    starts: usize,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self, status: u16) -> Json {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() { Json::Null } else { serde_json::from_slice(&self.body).unwrap() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::over(Mobula::new())
    }

    /// Over a home folder that has settings already.
    pub(crate) fn over(mobula: Mobula) -> Self {
        let given = mobula.run(&["tenant", "token", "default", "--admin", "--json"]).json();
        let admin = given["token"].as_str().unwrap().to_owned();
        let (child, address) = spawn(&mobula, 0);
        Self { mobula, child, address, admin, starts: 1 }
    }

    /// Ends it by a signal, and starts it anew over the same home.
    pub(crate) fn restart(&mut self, signal: rustix::process::Signal) {
        self.stop(signal);
        let (child, address) = spawn(&self.mobula, self.starts);
        (self.child, self.address, self.starts) = (child, address, self.starts + 1);
    }

    pub(crate) fn stop(&mut self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
        self.child.wait().unwrap();
    }

    /// What it wrote to its log, of all starts.
    pub(crate) fn log(&self) -> String {
        (0..self.starts)
            .map(|n| std::fs::read_to_string(log_file(&self.mobula, n)).unwrap())
            .collect()
    }

    /// The code of its login link.
    pub(crate) fn code(&self) -> String {
        let log = std::fs::read_to_string(log_file(&self.mobula, self.starts - 1)).unwrap();
        let (_, rest) = log.split_once("/api/v1/login?code=").unwrap();
        rest.lines().next().unwrap().to_owned()
    }

    /// A tenant with a token, and the data set as the mount `synth`.
    pub(crate) fn tenant(&self, name: &str, quota: &[&str]) -> String {
        self.mobula.run(&[&["tenant", "add", name, "--json"], quota].concat()).json();
        let mount = format!("synth={}", data().display());
        self.mobula.run(&["tenant", "mount", name, &mount, "--json"]).json();
        let given = self.mobula.run(&["tenant", "token", name, "--json"]).json();
        given["token"].as_str().unwrap().to_owned()
    }

    /// Sends bytes as they are.
    pub(crate) fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        // A server that refuses early closes before it has read all.
        let _ = stream.write_all(request);
        read_answer(stream)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    /// A request with these headers and nothing else but `Host` and the length.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|header| header.to_ascii_lowercase().starts_with("host:")) {
            head += &format!("Host: {}\r\n", self.address);
        }
        for header in headers {
            head += &format!("{header}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        self.raw(&[head.as_bytes(), body].concat())
    }

    /// A request of the API, with a token.
    pub(crate) fn ask(&self, token: &str, method: &str, path: &str, body: Option<&Json>) -> Answer {
        let bearer = format!("Authorization: Bearer {token}");
        let path = format!("/api/v1{path}");
        match body {
            None => self.send(method, &path, &[&bearer], b""),
            Some(body) => {
                let kind = "Content-Type: application/json";
                self.send(method, &path, &[&bearer, kind], body.to_string().as_bytes())
            }
        }
    }

    /// Every route of the OpenAPI document: method, path, and the document of it.
    pub(crate) fn routes(&self) -> Vec<(String, String, Json)> {
        let document = self.ask(&self.admin, "GET", "/openapi.json", None).json(200);
        let mut routes = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                routes.push((method.to_ascii_uppercase(), path.clone(), operation.clone()));
            }
        }
        assert!(routes.len() > 40, "{}", routes.len());
        routes
    }

    /// Begins a run of the tiny pipeline.
    #[track_caller]
    pub(crate) fn begin(&self, token: &str, sets: &[&str]) -> String {
        let body = json!({ "pipeline": tiny(), "set": sets });
        let started = self.ask(token, "POST", "/runs", Some(&body)).json(201);
        started["run"].as_str().unwrap().to_owned()
    }

    /// Waits until a run is as wanted.
    #[track_caller]
    pub(crate) fn until(&self, token: &str, run: &str, what: impl Fn(&Json) -> bool) -> Json {
        let until = Instant::now() + LONG;
        loop {
            let shown = self.ask(token, "GET", &format!("/runs/{run}"), None).json(200);
            if what(&shown) {
                return shown;
            }
            assert!(Instant::now() < until, "{shown:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    #[track_caller]
    pub(crate) fn until_done(&self, token: &str, run: &str) -> Json {
        self.until(token, run, |shown| shown["report"]["status"] != "running")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_file(mobula: &Mobula, number: usize) -> PathBuf {
    mobula.home.path().join(format!("server-{number}.log"))
}

fn spawn(mobula: &Mobula, number: usize) -> (Child, String) {
    let ports = mobula.home.path().join(format!("ports-{number}.json"));
    let log = File::create(log_file(mobula, number)).unwrap();
    let args = ["serve", "--listen", "127.0.0.1:0", "--grace", "10", "--ports-file"];
    let mut child =
        mobula.command(&args).arg(&ports).stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let until = Instant::now() + LONG;
    loop {
        if let Ok(text) = std::fs::read_to_string(&ports) {
            let document: Json = serde_json::from_str(&text).unwrap();
            return (child, document["address"].as_str().unwrap().to_owned());
        }
        let log = || std::fs::read_to_string(log_file(mobula, number)).unwrap();
        assert!(child.try_wait().unwrap().is_none(), "{}", log());
        assert!(Instant::now() < until, "{}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The tiny pipeline as a server takes it: its network as text, its mount by the name of a grant.
pub(crate) fn tiny() -> String {
    let text = std::fs::read_to_string(TINY).unwrap();
    let network = std::fs::read_to_string(TINY.replace("tiny.toml", "tiny-net.toml")).unwrap();
    let text = text.replace("\"tiny-net.toml\"", &Json::String(network).to_string());
    text.replace("data = \"data\"", "data = \"synth\"")
}

pub(crate) fn read_answer(stream: TcpStream) -> Answer {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        head += &line;
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let mut answer = Answer { status, head, body: Vec::new() };
    let chunked = answer.header("transfer-encoding").is_some_and(|how| how == "chunked");
    let mut rest = Vec::new();
    let _ = reader.read_to_end(&mut rest);
    answer.body = if chunked { unchunked(&rest) } else { rest };
    answer
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let length = std::str::from_utf8(&rest[..end]).ok();
        let length = length.and_then(|text| usize::from_str_radix(text, 16).ok()).unwrap_or(0);
        if length == 0 || rest.len() < end + 2 + length {
            break;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + length]);
        rest = rest.get(end + 4 + length..).unwrap_or_default();
    }
    body
}
