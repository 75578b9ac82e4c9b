//! Downloads one file, checks it and puts it in its place in one rename; what is in it is not its
//! concern.

mod digest;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::{Response, StatusCode, header};

use crate::progress::Progress;

pub use digest::{CIFAR10_MD5, CIFAR10_SHA256, ParseDigestError, parse_md5, parse_sha256};
use digest::{Hashes, Hex};

/// Where the binary version of CIFAR-10 is published.
pub const CIFAR10_URL: &str = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";
/// Largest download unless the caller says otherwise: three times the CIFAR-10 archive.
pub const FETCH_BYTES_MAX: u64 = 512 << 20;
/// Bytes between two looks at the callback.
const BUFFER_BYTES: usize = 128 * 1024;
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest silence of the server before a download counts as dead.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);

/// Checksums that a download must have; one that is `None` is not checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digests {
    /// SHA-256.
    pub sha256: Option<[u8; 32]>,
    /// MD5, for files whose publisher gives nothing better.
    pub md5: Option<[u8; 16]>,
}

/// What to download, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchOptions {
    /// An `http` or `https` address.
    pub url: String,
    /// The file to write; an existing one is replaced, once the new one is checked.
    pub out: PathBuf,
    /// What the file must be.
    pub digests: Digests,
    /// Largest file taken.
    pub bytes_max: u64,
}

impl FetchOptions {
    /// The CIFAR-10 archive as published, with its checksums.
    #[must_use]
    pub fn cifar10(out: PathBuf) -> Self {
        let digests = Digests { sha256: Some(CIFAR10_SHA256), md5: Some(CIFAR10_MD5) };
        Self { url: CIFAR10_URL.to_owned(), out, digests, bytes_max: FETCH_BYTES_MAX }
    }
}

/// A finished download.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fetched {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Bytes of it that an earlier, broken download had left.
    pub resumed_bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// Why a download failed. What has arrived stays in `<out>.part` where a retry can use it.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server answered, but not with the file.
    #[error("`{url}` answered HTTP status {status}; check the address, or give another one")]
    Status {
        /// The address.
        url: String,
        /// Such as 404.
        status: u16,
    },
    /// No answer, or a connection that broke before one.
    #[error("cannot reach `{url}`; check the address and the network, then try again")]
    Request {
        /// The address.
        url: String,
        /// What the client said.
        source: Box<ureq::Error>,
    },
    /// The connection broke within the file.
    #[error("`{url}` broke off after {received} bytes; try again to continue")]
    Broken {
        /// The address.
        url: String,
        /// Bytes that are there.
        received: u64,
        /// What the connection said.
        source: io::Error,
    },
    /// The file ended early.
    #[error("`{url}` ended after {received} of {expected} bytes; try again to continue")]
    Truncated {
        /// The address.
        url: String,
        /// Bytes that are there.
        received: u64,
        /// Bytes that the server announced.
        expected: u64,
    },
    /// The server answered with another part than the one asked for.
    #[error("`{url}` sent range `{range}` when asked for the bytes from {start}; try again")]
    WrongRange {
        /// The address.
        url: String,
        /// The range it named.
        range: String,
        /// The first byte asked for.
        start: u64,
    },
    /// The file is larger than allowed.
    #[error("`{url}` is larger than {bytes_max} bytes; raise the limit if that is right")]
    TooLarge {
        /// The address.
        url: String,
        /// The limit.
        bytes_max: u64,
    },
    /// The file is not the one expected; it was removed.
    #[error(
        "{kind} of `{url}` is {found} and should be {expected}; \
         try again, or give the checksum of the file you want"
    )]
    Checksum {
        /// The address.
        url: String,
        /// `SHA-256` or `MD5`.
        kind: &'static str,
        /// The checksum asked for.
        expected: String,
        /// The checksum of what arrived.
        found: String,
    },
    /// Another process is downloading to the same place.
    #[error("`{}` is being written by another download; wait for it", path.display())]
    Busy {
        /// The partial file.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("no room left on the disk for `{}`; free some or choose another folder", path.display())]
    DiskFull {
        /// The partial file.
        path: PathBuf,
    },
    /// The file system said no.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The callback asked to stop.
    #[error("stopped after {received} bytes; try again to continue")]
    Stopped {
        /// Bytes that are there.
        received: u64,
    },
}

/// Downloads `options.url` to `options.out`, which appears in one rename, whole and checked.
///
/// The bytes go to `<out>.part` first. When one is there from an earlier attempt and a checksum is
/// given, only the rest is asked for; without a checksum nothing would tell a patchwork of two
/// versions from the file, so the download starts anew. `progress` counts bytes.
///
/// # Errors
/// See [`FetchError`]; after each of them `options.out` is as it was.
pub fn fetch(
    options: &FetchOptions,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Fetched, FetchError> {
    let mut part = Part::open(&options.out)?;
    if options.digests == Digests::default() || part.bytes > options.bytes_max {
        part.clear()?;
    }
    let response = request(options, &mut part)?;
    let resumed_bytes = part.bytes;
    receive(options, response, &mut part, progress)?;
    let bytes = part.bytes;
    let hashes = std::mem::take(&mut part.hashes);
    let (sha256, md5) = hashes.finish();
    if let Err(error) = check(options, &sha256, &md5) {
        // Nothing of it can be trusted, so the next attempt starts anew.
        part.remove()?;
        return Err(error);
    }
    part.publish(&options.out)?;
    let sha256 = Hex(&sha256).to_string();
    Ok(Fetched { path: options.out.clone(), bytes, resumed_bytes, sha256 })
}

/// Asks for what `part` lacks, and empties it when the server can only give the whole.
fn request(options: &FetchOptions, part: &mut Part) -> Result<Response<ureq::Body>, FetchError> {
    let agent = ureq::Agent::new_with_config(
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(SILENCE_TIMEOUT))
            .timeout_per_write(Some(SILENCE_TIMEOUT))
            .build(),
    );
    let url = &options.url;
    loop {
        let mut request = agent.get(url);
        if part.bytes > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", part.bytes));
        }
        let failed = |source| FetchError::Request { url: url.clone(), source: Box::new(source) };
        let response = request.call().map_err(failed)?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if part.bytes > 0 => {
                check_range(url, &response, part.bytes)?;
                return Ok(response);
            }
            StatusCode::OK => {
                part.clear()?;
                return Ok(response);
            }
            // Once: the next request has no range that could be unsatisfiable.
            StatusCode::RANGE_NOT_SATISFIABLE if part.bytes > 0 => part.clear()?,
            status => {
                return Err(FetchError::Status { url: url.clone(), status: status.as_u16() });
            }
        }
    }
}

fn check_range(url: &str, response: &Response<ureq::Body>, start: u64) -> Result<(), FetchError> {
    let range = response.headers().get(header::CONTENT_RANGE);
    let range = range.map(|value| String::from_utf8_lossy(value.as_bytes())).unwrap_or_default();
    if range.starts_with(&format!("bytes {start}-")) {
        return Ok(());
    }
    Err(FetchError::WrongRange { url: url.to_owned(), range: range.into_owned(), start })
}

fn receive(
    options: &FetchOptions,
    response: Response<ureq::Body>,
    part: &mut Part,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<(), FetchError> {
    let FetchOptions { url, bytes_max, .. } = options;
    let body = response.into_body();
    let total = body.content_length().map(|rest| part.bytes.saturating_add(rest));
    let too_large = || FetchError::TooLarge { url: url.clone(), bytes_max: *bytes_max };
    if total.is_some_and(|total| total > *bytes_max) {
        part.remove()?;
        return Err(too_large());
    }
    let mut reader = body.into_with_config().limit(u64::MAX).reader();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => {
                let received = part.bytes;
                return Err(match total {
                    Some(expected) if source.kind() == io::ErrorKind::UnexpectedEof => {
                        FetchError::Truncated { url: url.clone(), received, expected }
                    }
                    _ => FetchError::Broken { url: url.clone(), received, source },
                });
            }
        };
        if part.bytes + count as u64 > *bytes_max {
            part.remove()?;
            return Err(too_large());
        }
        part.append(&buffer[..count])?;
        if progress(Progress { done: part.bytes, total }).is_break() {
            return Err(FetchError::Stopped { received: part.bytes });
        }
    }
    match total {
        Some(expected) if expected != part.bytes => {
            Err(FetchError::Truncated { url: url.clone(), received: part.bytes, expected })
        }
        _ => Ok(()),
    }
}

fn check(options: &FetchOptions, sha256: &[u8], md5: &[u8]) -> Result<(), FetchError> {
    let Digests { sha256: wanted_sha256, md5: wanted_md5 } = &options.digests;
    let checks = [
        ("SHA-256", wanted_sha256.as_ref().map(<[u8; 32]>::as_slice), sha256),
        ("MD5", wanted_md5.as_ref().map(<[u8; 16]>::as_slice), md5),
    ];
    for (kind, expected, found) in checks {
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(FetchError::Checksum {
                url: options.url.clone(),
                kind,
                expected: Hex(expected).to_string(),
                found: Hex(found).to_string(),
            });
        }
    }
    Ok(())
}

/// The partial file, locked, with the checksums of what it holds.
struct Part {
    path: PathBuf,
    file: File,
    bytes: u64,
    hashes: Hashes,
}

impl Part {
    /// Opens `<out>.part`, behind what it holds.
    fn open(out: &Path) -> Result<Self, FetchError> {
        let mut name = OsString::from(out);
        name.push(".part");
        let path = PathBuf::from(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io_error("create", parent))?;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(io_error("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FetchError::Busy { path }),
            Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
        }
        let mut part = Self { path, file, bytes: 0, hashes: Hashes::default() };
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = part.file.read(&mut buffer).map_err(io_error("read", &part.path))?;
            if count == 0 {
                return Ok(part);
            }
            part.hashes.update(&buffer[..count]);
            part.bytes += count as u64;
        }
    }

    fn clear(&mut self) -> Result<(), FetchError> {
        self.file.set_len(0).map_err(io_error("empty", &self.path))?;
        self.file.seek(SeekFrom::Start(0)).map_err(io_error("empty", &self.path))?;
        self.bytes = 0;
        self.hashes = Hashes::default();
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.file.write_all(bytes).map_err(io_error("write", &self.path))?;
        self.hashes.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn remove(&self) -> Result<(), FetchError> {
        fs::remove_file(&self.path).map_err(io_error("remove", &self.path))
    }

    /// Renames the file, whole and on the disk, to `out`.
    fn publish(self, out: &Path) -> Result<(), FetchError> {
        let length = self.file.metadata().map_err(io_error("read", &self.path))?.len();
        assert_eq!(length, self.bytes, "the partial file holds the bytes that were checked");
        self.file.sync_all().map_err(io_error("write", &self.path))?;
        fs::rename(&self.path, out).map_err(io_error("rename to", out))
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull => FetchError::DiskFull { path },
        _ => FetchError::Io { action, path, source },
    }
}
