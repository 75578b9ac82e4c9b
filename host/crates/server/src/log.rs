//! The server's log: a JSON document on a line of standard error for each request. Has neither paths,
//! queries, headers nor bodies, which may hold secrets, only routes; and its texts cannot break out of
//! their line.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value as Json, json};

use crate::port::{Caller, Refusal};

/// One request.
pub(crate) struct Entry<'a> {
    pub(crate) id: &'a str,
    pub(crate) method: &'a str,
    pub(crate) route: &'a str,
    pub(crate) status: u16,
    pub(crate) micros: u64,
    pub(crate) address: IpAddr,
    pub(crate) caller: Option<&'a Caller>,
    pub(crate) refusal: Option<&'a Refusal>,
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The name of a request: by the time, so that it is found among logs of several starts.
pub(crate) fn id(number: u64) -> String {
    format!("q-{:x}-{number:x}", now_ms())
}

/// Writes a request down. Those that went well and change nothing are left out of the log where they are
/// only the pulse of a dashboard.
pub(crate) fn request(entry: &Entry<'_>) {
    let mut line = Map::new();
    let mut put = |key: &str, value: Json| {
        line.insert(key.to_owned(), value);
    };
    put("at_ms", json!(now_ms()));
    put("log_id", json!(entry.id));
    put("method", json!(entry.method));
    put("route", json!(entry.route));
    put("status", json!(entry.status));
    put("us", json!(entry.micros));
    put("address", json!(entry.address.to_string()));
    if let Some(caller) = entry.caller {
        put("tenant", json!(caller.tenant));
        put("token", json!(caller.token));
    }
    if let Some(refusal) = entry.refusal {
        put("why", json!(format!("{:?}", refusal.why).to_lowercase()));
        if let Some(internal) = &refusal.internal {
            put("internal", json!(internal));
        }
    }
    event(&Json::Object(line));
}

/// Writes a line.
pub(crate) fn event(line: &Json) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
