//! The file of regimes: JSON, whose mistakes are all told together, each with its regime and field.

use std::io;
use std::path::Path;

use mobula_adaptive::simulate::{Failure, Regime, SimulatedPolicy, UNITS_MAX};
use serde_json::{Map, Value as Json};

use crate::exit::{Ended, Exit};

/// Regimes of a file, at most.
const REGIMES_MAX: usize = 10_000;
/// Seeds, at most.
const SEEDS_MAX: u32 = 10_000;
/// Mistakes that are told.
const PROBLEMS_MAX: usize = 20;

/// What a file asks for.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) seeds: Option<u32>,
    pub(super) policies: Option<Vec<SimulatedPolicy>>,
    pub(super) regimes: Vec<Regime>,
}

pub(super) fn read(path: &Path) -> anyhow::Result<Plan> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let missing = error.kind() == io::ErrorKind::NotFound;
        let exit = if missing { Exit::NotFound } else { Exit::Invalid };
        Ended::error(exit, format!("cannot read {shown}: {error}"))
    })?;
    let document: Json = serde_json::from_str(&text)
        .map_err(|error| Ended::error(Exit::Invalid, format!("{shown} is no JSON: {error}")))?;
    parse(&document).map_err(|mut problems| {
        let more = problems.len().saturating_sub(PROBLEMS_MAX);
        problems.truncate(PROBLEMS_MAX);
        if more > 0 {
            problems.push(format!("and {more} more"));
        }
        let lines: Vec<String> =
            problems.iter().map(|problem| format!("{shown}: {problem}")).collect();
        Ended::error(Exit::Invalid, lines.join("\n"))
    })
}

fn parse(document: &Json) -> Result<Plan, Vec<String>> {
    let Json::Object(fields) = document else {
        return Err(vec!["is no object with `regimes`".to_owned()]);
    };
    let mut top = Fields::new("the document".to_owned(), "", fields);
    let seeds = top.count("seeds", 1, SEEDS_MAX);
    let policies = top.policies();
    let regimes = top.take("regimes");
    let mut problems = top.finish();
    let list = match regimes {
        Some(Json::Array(list)) if (1..=REGIMES_MAX).contains(&list.len()) => list.as_slice(),
        Some(Json::Array(list)) => {
            let found = list.len();
            problems
                .push(format!("field `regimes` has {found} entries, not from 1 to {REGIMES_MAX}"));
            &[]
        }
        Some(_) => {
            problems.push("field `regimes` is no list".to_owned());
            &[]
        }
        None => {
            problems.push("field `regimes` is missing".to_owned());
            &[]
        }
    };
    let mut found = Vec::with_capacity(list.len());
    for (number, entry) in list.iter().enumerate() {
        match regime(number, entry) {
            Ok(regime) => found.push(regime),
            Err(more) => problems.extend(more),
        }
    }
    if problems.is_empty() { Ok(Plan { seeds, policies, regimes: found }) } else { Err(problems) }
}

fn regime(number: usize, entry: &Json) -> Result<Regime, Vec<String>> {
    let Json::Object(fields) = entry else {
        return Err(vec![format!("regime {number} is no object")]);
    };
    let named = fields.get("name").and_then(Json::as_str);
    let who = named.map_or(format!("regime {number}"), |name| format!("regime `{name}`"));
    let mut fields = Fields::new(who.clone(), "", fields);
    let name = fields.text("name");
    let units = fields.count("units", 1, UNITS_MAX);
    if units.is_none() {
        fields.missing("units");
    }
    let unit_s = fields.needed("unit_s");
    let unit_end_s = fields.number("unit_end_s").unwrap_or(unit_s);
    let cost_s = fields.needed("cost_s");
    let regime = Regime {
        name,
        units: units.unwrap_or(1),
        unit_s,
        unit_end_s,
        cost_s,
        cost_end_s: fields.number("cost_end_s").unwrap_or(cost_s),
        blocking_fraction: fields.number("blocking_fraction").unwrap_or(0.2),
        background_slowdown: fields.number("background_slowdown").unwrap_or(0.4),
        cost_noise: fields.number("cost_noise").unwrap_or(0.15),
        downtime_s: fields.number("downtime_s").unwrap_or(2.0),
        restore_s: fields.number("restore_s").unwrap_or(0.5),
        failure: match fields.take("failure") {
            Some(entry) => fields.failure(entry),
            None => {
                fields.missing("failure");
                Failure::None
            }
        },
    };
    let mut problems = fields.finish();
    // Of a regime that was read half the values say nothing yet.
    if problems.is_empty() {
        let of_values = regime.problems();
        problems.extend(
            of_values
                .iter()
                .map(|wrong| format!("{who}: field `{}` {}", wrong.field, wrong.message)),
        );
    }
    if problems.is_empty() { Ok(regime) } else { Err(problems) }
}

/// An object whose fields are taken one by one; what is left at the end is unknown.
struct Fields<'a> {
    who: String,
    prefix: &'static str,
    fields: &'a Map<String, Json>,
    taken: Vec<&'static str>,
    problems: Vec<String>,
}

impl<'a> Fields<'a> {
    fn new(who: String, prefix: &'static str, fields: &'a Map<String, Json>) -> Self {
        Self { who, prefix, fields, taken: Vec::new(), problems: Vec::new() }
    }

    fn take(&mut self, key: &'static str) -> Option<&'a Json> {
        self.taken.push(key);
        self.fields.get(key)
    }

    fn say(&mut self, key: &str, message: &str) {
        self.problems.push(format!("{}: field `{}{key}` {message}", self.who, self.prefix));
    }

    fn missing(&mut self, key: &'static str) {
        if !self.fields.contains_key(key) {
            self.say(key, "is missing");
        }
    }

    fn number(&mut self, key: &'static str) -> Option<f64> {
        let value = self.take(key)?;
        let number = value.as_f64().filter(|number| number.is_finite());
        if number.is_none() {
            self.say(key, &format!("is {value}, no number"));
        }
        number
    }

    /// A number that must be there; 1 if it is not, which is told.
    fn needed(&mut self, key: &'static str) -> f64 {
        let number = self.number(key);
        self.missing(key);
        number.unwrap_or(1.0)
    }

    fn count(&mut self, key: &'static str, least: u32, most: u32) -> Option<u32> {
        let value = self.take(key)?;
        let count = value.as_u64().and_then(|n| u32::try_from(n).ok());
        let count = count.filter(|n| (least..=most).contains(n));
        if count.is_none() {
            self.say(key, &format!("is {value}, no whole number from {least} to {most}"));
        }
        count
    }

    fn text(&mut self, key: &'static str) -> String {
        match self.take(key) {
            Some(Json::String(text)) => return text.clone(),
            Some(value) => self.say(key, &format!("is {value}, no text")),
            None => self.say(key, "is missing"),
        }
        String::new()
    }

    fn policies(&mut self) -> Option<Vec<SimulatedPolicy>> {
        let value = self.take("policies")?;
        let Some(list) = value.as_array().filter(|list| !list.is_empty()) else {
            self.say("policies", "is no list of names");
            return None;
        };
        let mut found: Vec<SimulatedPolicy> = Vec::new();
        for entry in list {
            match entry.as_str().map(str::parse::<SimulatedPolicy>) {
                Some(Ok(policy)) if found.contains(&policy) => {
                    self.say("policies", &format!("names {policy} twice"));
                }
                Some(Ok(policy)) => found.push(policy),
                Some(Err(unknown)) => {
                    self.say("policies", &format!("has an {unknown}, oracle, clairvoyant"));
                }
                None => self.say("policies", &format!("has {entry}, no name")),
            }
        }
        Some(found)
    }

    fn failure(&mut self, entry: &'a Json) -> Failure {
        let Json::Object(fields) = entry else {
            self.say("failure", "is no object");
            return Failure::None;
        };
        let mut inner = Fields::new(self.who.clone(), "failure.", fields);
        let kind = inner.text("kind");
        let failure = match kind.as_str() {
            "none" => Failure::None,
            "exponential" => Failure::Exponential { mtbf_s: inner.needed("mtbf_s") },
            "weibull" => {
                Failure::Weibull { shape: inner.needed("shape"), mtbf_s: inner.needed("mtbf_s") }
            }
            "burst" => Failure::Burst {
                quiet_mtbf_s: inner.needed("quiet_mtbf_s"),
                burst_mtbf_s: inner.needed("burst_mtbf_s"),
                quiet_len_s: inner.needed("quiet_len_s"),
                burst_len_s: inner.needed("burst_len_s"),
            },
            "spot" => Failure::Spot {
                period_s: inner.needed("period_s"),
                notice_s: inner.number("notice_s").unwrap_or(0.0),
            },
            "shift" => Failure::Shift {
                mtbf_s: inner.needed("mtbf_s"),
                mtbf_end_s: inner.needed("mtbf_end_s"),
                at_s: inner.needed("at_s"),
            },
            "recorded" => Failure::Recorded { instants_s: inner.instants() },
            _ => {
                if fields.get("kind").is_some_and(Json::is_string) {
                    let message = format!(
                        "is `{kind}`: there are none, exponential, weibull, burst, spot, shift, recorded"
                    );
                    inner.say("kind", &message);
                }
                // Which fields it should have is not known either.
                inner.taken.clear();
                self.problems.append(&mut inner.problems);
                return Failure::None;
            }
        };
        self.problems.extend(inner.finish());
        failure
    }

    fn instants(&mut self) -> Vec<f64> {
        let list = self.take("instants_s").and_then(Json::as_array);
        let instants: Option<Vec<f64>> =
            list.and_then(|list| list.iter().map(Json::as_f64).collect());
        if instants.is_none() {
            self.say("instants_s", "is no list of numbers");
        }
        instants.unwrap_or_default()
    }

    /// All problems, unknown fields among them.
    fn finish(mut self) -> Vec<String> {
        let fields = self.fields;
        for key in fields.keys().filter(|key| *key != "$type" || !self.prefix.is_empty()) {
            if !self.taken.contains(&key.as_str()) {
                let known = self.taken.join(", ");
                self.say(key, &format!("is unknown: there are {known}"));
            }
        }
        self.problems
    }
}
