//! Downloads, from a server on this machine that behaves well, badly, or not to the end.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};

use mobula_data::{Digests, FetchError, FetchOptions, fetch, parse_sha256, unpack};
use sha2::{Digest as _, Sha256};

/// How the server answers.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Whole,
    /// Only so many bytes of the first answer, though all are announced.
    BreaksOff(usize),
    NotFound,
}

/// An address, and the `Range` lines that were asked with.
struct Server {
    url: String,
    ranges: Arc<Mutex<Vec<String>>>,
}

fn serve(content: Vec<u8>, manner: Manner) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/set.tar.gz", listener.local_addr().unwrap());
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ranges);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut range = String::new();
            for line in BufReader::new(&stream).lines() {
                let line = line.unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("range:") {
                    range = value.trim().to_owned();
                }
                if line.is_empty() {
                    break;
                }
            }
            let start: usize = range
                .strip_prefix("bytes=")
                .and_then(|range| range.split('-').next()?.parse().ok())
                .unwrap_or(0);
            let (all, body) = (content.len(), &content[start.min(content.len())..]);
            let head = match (manner, range.is_empty()) {
                (Manner::NotFound, _) => {
                    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n".to_owned()
                }
                (_, true) => format!("HTTP/1.1 200 OK\r\nContent-Length: {all}\r\n"),
                (_, false) => format!(
                    "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{}/{all}\r\n",
                    body.len(),
                    all - 1
                ),
            };
            seen.lock().unwrap().push(range);
            let body = match manner {
                Manner::Whole => body,
                Manner::BreaksOff(len) if number == 0 => &body[..len],
                Manner::BreaksOff(_) => body,
                Manner::NotFound => &[],
            };
            // A client that has had enough hangs up.
            let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes());
            let _ = stream.write_all(body);
        }
    });
    Server { url, ranges }
}

fn content() -> Vec<u8> {
    (0..300_000_u32).map(|i| ((i * i) >> 7) as u8).collect()
}

fn options(server: &Server, out: &Path, sha256: Option<[u8; 32]>) -> FetchOptions {
    FetchOptions {
        url: server.url.clone(),
        out: out.to_owned(),
        digests: Digests { sha256, md5: None },
        bytes_max: 1 << 20,
    }
}

fn sha(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn go(options: &FetchOptions) -> Result<mobula_data::Fetched, FetchError> {
    fetch(options, &mut |_| ControlFlow::Continue(()))
}

#[test]
fn a_file_arrives_whole_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("set.tar.gz");
    let server = serve(content(), Manner::Whole);
    let mut last = 0;
    let fetched = fetch(&options(&server, &out, Some(sha(&content()))), &mut |seen| {
        last = seen.done;
        ControlFlow::Continue(())
    });
    let fetched = fetched.unwrap();
    assert_eq!((fetched.bytes, fetched.resumed_bytes, last), (300_000, 0, 300_000));
    assert_eq!(parse_sha256(&fetched.sha256).unwrap(), sha(&content()));
    assert_eq!(std::fs::read(&out).unwrap(), content());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no part is left");
}

#[test]
fn a_download_that_broke_off_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("set.tar.gz");
    let server = serve(content(), Manner::BreaksOff(100_000));
    let options = options(&server, &out, Some(sha(&content())));
    let first = go(&options).unwrap_err();
    assert!(matches!(first, FetchError::Broken { .. } | FetchError::Truncated { .. }), "{first}");
    assert!(!out.exists());
    let second = go(&options).unwrap();
    assert_eq!(second.resumed_bytes, 100_000);
    assert_eq!(server.ranges.lock().unwrap()[1], "bytes=100000-");
    assert_eq!(std::fs::read(&out).unwrap(), content());
}

#[test]
fn another_file_than_the_one_wanted_is_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("set.tar.gz");
    std::fs::write(&out, "the one before").unwrap();
    let server = serve(content(), Manner::Whole);
    let error = go(&options(&server, &out, Some([7; 32]))).unwrap_err().to_string();
    assert!(error.contains("0707"), "{error}");
    assert_eq!(std::fs::read(&out).unwrap(), b"the one before");
}

#[test]
fn what_is_missing_too_large_or_stopped_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("set.tar.gz");
    let missing = serve(Vec::new(), Manner::NotFound);
    let error = go(&options(&missing, &out, None)).unwrap_err();
    assert!(matches!(error, FetchError::Status { status: 404, .. }), "{error}");
    let server = serve(content(), Manner::Whole);
    let small = FetchOptions { bytes_max: 1000, ..options(&server, &out, None) };
    assert!(matches!(go(&small).unwrap_err(), FetchError::TooLarge { bytes_max: 1000, .. }));
    let stopped = fetch(&options(&server, &out, None), &mut |_| ControlFlow::Break(()));
    assert!(stopped.is_err());
    let nobody = FetchOptions { url: "http://127.0.0.1:1/x".to_owned(), ..small };
    assert!(matches!(go(&nobody).unwrap_err(), FetchError::Request { .. }));
    assert!(!out.exists());
    assert!(unpack(&folder.path().join("nosuch"), &folder.path().join("to")).is_err());
}
