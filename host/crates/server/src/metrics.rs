//! Numbers for `/metrics`, in Prometheus' text format.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::port::Gauge;

/// Buckets of response times, in milliseconds.
const BUCKETS_MS: [u64; 7] = [1, 5, 25, 100, 500, 2500, 10_000];

/// What the server counts itself.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// By the first digit of the status.
    responses: [AtomicU64; 6],
    times: [AtomicU64; BUCKETS_MS.len()],
    time_sum_us: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) streams: AtomicU64,
    pub(crate) refused_logins: AtomicU64,
}

impl Counters {
    pub(crate) fn answered(&self, status: u16, micros: u64) {
        let class = usize::from(status / 100).min(5);
        self.responses[class].fetch_add(1, Ordering::Relaxed);
        self.time_sum_us.fetch_add(micros, Ordering::Relaxed);
        for (bucket, below) in self.times.iter().zip(BUCKETS_MS) {
            if micros <= below * 1000 {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// All of it, with what the house says.
    pub(crate) fn text(&self, uptime_s: f64, gauges: &[Gauge]) -> String {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let mut text = String::new();
        head(&mut text, "http_responses_total", "Responses by class of status.", "counter");
        for class in 1..=5 {
            let count = get(&self.responses[class]);
            let _ = writeln!(text, "mobula_http_responses_total{{class=\"{class}xx\"}} {count}");
        }
        head(&mut text, "http_response_seconds", "Time to a response's head.", "histogram");
        let all: u64 = self.responses.iter().map(get).sum();
        for (bucket, below) in self.times.iter().zip(BUCKETS_MS) {
            #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
            let below = below as f64 / 1e3;
            let count = get(bucket);
            let _ = writeln!(text, "mobula_http_response_seconds_bucket{{le=\"{below}\"}} {count}");
        }
        let _ = writeln!(text, "mobula_http_response_seconds_bucket{{le=\"+Inf\"}} {all}");
        #[expect(clippy::cast_precision_loss, reason = "microseconds of a server's life")]
        let sum = get(&self.time_sum_us) as f64 / 1e6;
        let _ = writeln!(text, "mobula_http_response_seconds_sum {sum}");
        let _ = writeln!(text, "mobula_http_response_seconds_count {all}");
        let own = [
            ("http_connections", "Connections that are open.", &self.connections),
            ("event_streams", "Event streams that are open.", &self.streams),
        ];
        for (name, help, number) in own {
            head(&mut text, name, help, "gauge");
            let _ = writeln!(text, "mobula_{name} {}", get(number));
        }
        head(&mut text, "refused_logins_total", "Wrong tokens and codes.", "counter");
        let _ = writeln!(text, "mobula_refused_logins_total {}", get(&self.refused_logins));
        head(&mut text, "uptime_seconds", "Since the server started.", "gauge");
        let _ = writeln!(text, "mobula_uptime_seconds {uptime_s}");
        let mut last = "";
        for Gauge { name, help, label, value } in gauges {
            if *name != last {
                head(&mut text, name, help, "gauge");
                last = name;
            }
            let label = label.as_ref().map(|(key, value)| format!("{{{key}=\"{value}\"}}"));
            let _ = writeln!(text, "mobula_{name}{} {value}", label.unwrap_or_default());
        }
        text
    }
}

fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(text, "# HELP mobula_{name} {help}\n# TYPE mobula_{name} {kind}");
}
