//! Names under which the server may be asked for, and pages that may ask it to change something. Against
//! other pages in the user's browser: with forged requests, or with a name of theirs that suddenly means
//! this machine.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use axum::http::{HeaderMap, Method, header};

use crate::port::Why;
use crate::problem::{Refused, Reply};

/// The names of this server.
#[derive(Debug)]
pub(crate) struct Hosts {
    /// With their ports.
    exact: BTreeSet<String>,
    /// At any port.
    any_port: BTreeSet<String>,
}

impl Hosts {
    /// The addresses of a listener, and what the user calls it besides: `name` or `name:port`.
    pub(crate) fn new(listens: SocketAddr, others: &[String]) -> Self {
        let port = listens.port();
        let mut exact: BTreeSet<String> =
            ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}")).into();
        exact.insert(listens.to_string());
        let mut any_port = BTreeSet::new();
        for other in others {
            let other = other.to_ascii_lowercase();
            let has_port =
                other.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            let into = if has_port { &mut exact } else { &mut any_port };
            into.insert(other);
        }
        Self { exact, any_port }
    }

    fn is_ours(&self, authority: &str) -> bool {
        let authority = authority.to_ascii_lowercase();
        let name = match authority.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() => name,
            _ => authority.as_str(),
        };
        self.exact.contains(&authority) || self.any_port.contains(name)
    }

    /// Requires that the request was meant for this server.
    pub(crate) fn check_host(&self, headers: &HeaderMap) -> Reply<()> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        if hosts.next().is_none() && host.is_some_and(|host| self.is_ours(host)) {
            return Ok(());
        }
        let detail = "the Host header is no name of this server: start it with --host NAME";
        Err(Refused::new(Why::Misdirected, detail))
    }

    /// Requires of a request that may change something that it comes from our own page, or from no page at
    /// all: which only counts where a token came with it, as no page can send one that it does not know.
    pub(crate) fn check_origin(
        &self,
        method: &Method,
        headers: &HeaderMap,
        by_cookie: bool,
    ) -> Reply<()> {
        let denied = |detail: &str| Err(Refused::new(Why::Denied, detail));
        if method.is_safe() {
            return Ok(());
        }
        if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
            return denied("the request comes from a page of another server");
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) if by_cookie => denied("a request by cookie has to have an Origin header"),
            (None, _) => Ok(()),
            (Some(origin), None) => {
                let origin = origin.to_str().unwrap_or_default();
                let authority =
                    origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
                if authority.is_some_and(|authority| self.is_ours(authority)) {
                    return Ok(());
                }
                denied("the request comes from a page of another server")
            }
            (Some(_), Some(_)) => denied("the request has more than one Origin header"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_with_their_port_unless_said_without() {
        let others = ["team.example".to_owned(), "localhost:5173".to_owned()];
        let hosts = Hosts::new(([127, 0, 0, 1], 7878).into(), &others);
        for good in [
            "127.0.0.1:7878",
            "LOCALHOST:7878",
            "[::1]:7878",
            "team.example",
            "team.example:8443",
            "localhost:5173",
        ] {
            assert!(hosts.is_ours(good), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1",
            "localhost:80",
            "evil.example",
            "evil.example:7878",
            "team.example.evil",
            "127.0.0.1:7878.evil",
            "localhost:7878@evil",
        ] {
            assert!(!hosts.is_ours(bad), "{bad}");
        }
    }
}
