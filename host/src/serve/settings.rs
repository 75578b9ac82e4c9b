//! Settings of `mobula serve`: what the command line or the environment says comes before a file, and that
//! before the defaults in `serve.toml`, which documents every key.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use mobula_server::{Tls, TlsFiles};
use serde::Deserialize;

use super::args::ServeArgs;
use crate::args::notice;
use crate::exit::{Ended, Exit};

/// Every key with its default and what it is for.
pub(crate) const DOCUMENTED: &str = include_str!("serve.toml");
/// The file in the home folder, read where there is one.
const FILE: &str = "serve.toml";
/// What a server holds locked in its home folder: two would both take up what an earlier one left.
pub(crate) const LOCK: &str = "locks/serve";
const GRACE_S_MAX: f64 = 3600.0;

/// What a file says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    listen: Option<SocketAddr>,
    hosts: Option<Vec<String>>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    https: Option<bool>,
    grace_s: Option<f64>,
    ports_file: Option<PathBuf>,
}

/// What holds.
#[derive(Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) hosts: Vec<String>,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) https: bool,
    pub(crate) grace: Duration,
    pub(crate) ports_file: Option<PathBuf>,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
}

impl Settings {
    /// What holds for a server over this home.
    ///
    /// # Errors
    /// A file that was named is not there, or one has an unknown key or a wrong value: it is named.
    pub(crate) fn of(args: &ServeArgs, home: &Path) -> anyhow::Result<Self> {
        let by_itself = || Some(home.join(FILE)).filter(|file| file.exists());
        let file = args.config.clone().or_else(by_itself);
        let said = file.as_deref().map(read).transpose()?.unwrap_or_default();
        let defaults: Said = toml::from_str(DOCUMENTED).expect("ours are good");
        let certificate = args.certificate.clone().or(said.certificate);
        let key = args.key.clone().or(said.key);
        let tls = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            _ => {
                let message = "a certificate needs its key: say both --certificate and --key";
                return Err(Ended::error(Exit::Invalid, message));
            }
        };
        let hosts = match args.hosts.as_slice() {
            [] => said.hosts.or(defaults.hosts).unwrap_or_default(),
            hosts => hosts.to_vec(),
        };
        let grace_s = args.grace.or(said.grace_s).or(defaults.grace_s).expect("it has a default");
        Ok(Self {
            listen: args.listen.or(said.listen).or(defaults.listen).expect("it has a default"),
            hosts,
            tls,
            https: args.https || said.https.or(defaults.https).unwrap_or_default(),
            grace: Duration::from_secs_f64(grace_s.min(GRACE_S_MAX)),
            ports_file: args.ports_file.clone().or(said.ports_file),
            file,
        })
    }
}

/// The command line without a word on it, so that the environment and the file say what holds.
#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: ServeArgs,
}

/// Whether a server over this home could be started, or is there already.
///
/// # Errors
/// What would be in its way, or is careless.
pub(crate) fn state(home: &Path) -> Result<String, String> {
    let line = Line::try_parse_from(["serve"]).map_err(|e| e.to_string().trim_end().to_owned())?;
    let settings = Settings::of(&line.args, home).map_err(|e| e.to_string())?;
    let Settings { listen, tls, https, hosts, .. } = settings;
    let encrypted = https || tls.is_some();
    tls.map(Tls::read).transpose().map_err(|e| e.to_string())?;
    if !listen.ip().is_loopback() {
        if !encrypted {
            return Err(format!(
                "listens at {listen} for other machines in plain text: say certificate and key, or https behind a proxy"
            ));
        }
        if hosts.is_empty() {
            return Err(format!("listens at {listen} for other machines, but hosts names none"));
        }
    }
    if is_served(home) {
        return Ok(format!("one is over {}", home.display()));
    }
    match TcpListener::bind(listen) {
        Ok(_) => Ok(format!("could listen at {listen}: `mobula serve`")),
        Err(e) => Err(format!("cannot listen at {listen}: {e}")),
    }
}

/// Whether another process serves this home.
fn is_served(home: &Path) -> bool {
    let file = std::fs::File::open(home.join(LOCK));
    file.is_ok_and(|file| matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
}

fn read(file: &Path) -> anyhow::Result<Said> {
    let wrong = |why: &dyn std::fmt::Display| {
        let why = why.to_string();
        let message = format!("{}: {}", file.display(), why.trim_end());
        Ended::error(Exit::Invalid, message)
    };
    let text = std::fs::read_to_string(file).map_err(|e| wrong(&e))?;
    let mut said: Said = toml::from_str(&text).map_err(|e| wrong(&e))?;
    if let Some(seconds) = said.grace_s {
        notice(&seconds.to_string()).map_err(|why| wrong(&format!("grace_s: {why}")))?;
    }
    let folder = file.parent().unwrap_or(Path::new("."));
    for path in [&mut said.certificate, &mut said.key, &mut said.ports_file].into_iter().flatten() {
        *path = folder.join(&*path);
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(line: &[&str], home: &Path) -> anyhow::Result<Settings> {
        let line = Line::parse_from([&["serve"], line].concat());
        Settings::of(&line.args, home)
    }

    #[test]
    fn a_line_comes_before_a_file_and_that_before_the_defaults() {
        let home = tempfile::tempdir().unwrap();
        let found = settings(&[], home.path()).unwrap();
        assert_eq!(found.listen.to_string(), "127.0.0.1:7878");
        assert_eq!((found.grace, found.file), (Duration::from_secs(20), None));
        let text = "listen = \"127.0.0.1:9\"\nhosts = [\"a\"]\ngrace_s = 3\ncertificate = \"c.pem\"\n\
            key = \"/k.pem\"\n";
        std::fs::write(home.path().join("serve.toml"), text).unwrap();
        let found = settings(&["--listen", "127.0.0.1:8"], home.path()).unwrap();
        assert_eq!(found.listen.port(), 8);
        assert_eq!((found.hosts, found.grace), (vec!["a".to_owned()], Duration::from_secs(3)));
        let tls = found.tls.unwrap();
        assert_eq!(tls.certificate, home.path().join("c.pem"));
        assert_eq!(tls.key, Path::new("/k.pem"));
    }

    #[test]
    fn mistakes_in_a_file_are_named_with_the_file() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("s.toml");
        let line = ["--config", file.to_str().unwrap()];
        let error = |text: &str| {
            std::fs::write(&file, text).unwrap();
            settings(&line, home.path()).unwrap_err().to_string()
        };
        for (text, named) in [
            ("lisen = 1", "lisen"),
            ("listen = \"x\"", "listen"),
            ("grace_s = -1", "grace_s"),
            ("key = \"k\"", "certificate"),
        ] {
            let said = error(text);
            assert!(said.contains(named), "{said}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(settings(&line, home.path()).unwrap_err().to_string().contains("s.toml"));
    }

    /// Also those that have no default, and stand there as comments.
    #[test]
    fn every_key_is_documented() {
        let uncommented = DOCUMENTED.lines().map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.contains(" = ") => rest,
            _ => line,
        });
        let said: Said = toml::from_str(&uncommented.collect::<Vec<_>>().join("\n")).unwrap();
        let Said { listen, hosts, certificate, key, https, grace_s, ports_file } = said;
        assert!(listen.is_some() && hosts.is_some() && certificate.is_some() && key.is_some());
        assert!(https.is_some() && grace_s.is_some() && ports_file.is_some());
    }
}
