//! Tasks that want more of the outside than they are granted.

use std::net::{TcpStream, ToSocketAddrs as _, UdpSocket};

use mobula_guest::prelude::*;

use crate::{Nothing, Report, Which, report};

/// Reads a file.
#[task]
pub(crate) fn reads(args: Which) -> Result<Report> {
    report(std::fs::read_to_string(args.kind)?)
}

/// Writes a file.
#[task]
pub(crate) fn writes(args: Which) -> Result<Nothing> {
    std::fs::write(args.kind, "mine now")?;
    Ok(Nothing {})
}

#[args]
pub(crate) struct Opens {
    path: String,
    /// How often.
    amount: u64,
    /// Let go of each before the next.
    #[serde(default)]
    close: bool,
}

/// Lists a folder many times, and ends none of the lists.
#[task]
pub(crate) fn lists(args: Opens) -> Result<Report> {
    let mut folders = Vec::new();
    for _ in 0..args.amount {
        folders.push(std::fs::read_dir(&args.path)?);
        if args.close {
            folders.clear();
        }
    }
    report(args.amount.to_string())
}

/// Opens a file many times.
#[task]
pub(crate) fn opens(args: Opens) -> Result<Report> {
    let mut files = Vec::new();
    for _ in 0..args.amount {
        files.push(std::fs::File::open(&args.path)?);
        if args.close {
            files.clear();
        }
    }
    report(args.amount.to_string())
}

/// Tells what it can see of the outside.
#[task]
pub(crate) fn looks_around() -> Result<Report> {
    let vars: Vec<String> =
        std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
    let args = std::env::args().count();
    let kind = |e: std::io::Error| e.kind().to_string();
    let tcp = TcpStream::connect("127.0.0.1:1").map_or_else(kind, |_| "open".to_owned());
    let udp = UdpSocket::bind("127.0.0.1:0").map_or_else(kind, |_| "open".to_owned());
    let name = "localhost:1".to_socket_addrs().map_or("unknown", |_| "open");
    let roots = std::fs::read_dir("/").map_or(0, Iterator::count);
    report(format!("vars {vars:?} args {args} net {tcp} {udp} {name} roots {roots}"))
}
