//! One row of the comparison: what both sides need of something, and the goal.

use serde_json::{Value, json};

/// Which way is better, and what we want to reach.
#[derive(Clone, Copy)]
pub(super) enum Aim {
    /// Little, at most so much.
    AtMost(f64),
    /// Much, at least so much.
    AtLeast(f64),
    /// Much, without a goal.
    Much,
}

/// What was found in the rounds of one side.
#[derive(Clone, Default)]
pub(super) struct Found {
    pub(super) values: Vec<f64>,
    /// Cores that other programs used in the worst round, where that is known.
    pub(super) foreign: f64,
}

impl Found {
    pub(super) fn push(&mut self, value: f64, foreign: f64) {
        self.values.push(value);
        self.foreign = self.foreign.max(foreign);
    }

    /// `None` if there is nothing.
    pub(super) fn median(&self) -> Option<f64> {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        let n = values.len();
        (n > 0).then(|| f64::midpoint(values[(n - 1) / 2], values[n / 2]))
    }

    fn document(&self) -> Value {
        if self.values.is_empty() {
            return Value::Null;
        }
        let tenths = (self.foreign * 10.0).round() / 10.0;
        let values: Vec<f64> = self.values.iter().copied().map(short).collect();
        json!({ "median": self.median().map(short), "rounds": values, "foreign_cores": tenths })
    }
}

pub(super) struct Figure {
    /// For a person, with its unit.
    pub(super) what: String,
    /// For a program.
    pub(super) name: String,
    pub(super) aim: Aim,
    pub(super) ours: Found,
    /// Empty if Ray has no such thing, or could not be run.
    pub(super) ray: Found,
}

impl Figure {
    /// How many times better we are.
    fn ratio(&self) -> Option<f64> {
        let (ours, ray) = (self.ours.median()?, self.ray.median()?);
        Some(if matches!(self.aim, Aim::AtMost(_)) { ray / ours } else { ours / ray })
    }

    fn reached(&self) -> Option<bool> {
        let ours = self.ours.median()?;
        match self.aim {
            Aim::AtMost(goal) => Some(ours <= goal),
            Aim::AtLeast(goal) => Some(ours >= goal),
            Aim::Much => None,
        }
    }

    pub(super) fn foreign(&self) -> f64 {
        self.ours.foreign.max(self.ray.foreign)
    }

    pub(super) fn cells(&self) -> Vec<String> {
        let or_dash = |cell: Option<String>| cell.unwrap_or_else(|| "–".to_owned());
        let goal = match self.aim {
            Aim::AtMost(goal) => Some(format!("≤ {}", readable(goal))),
            Aim::AtLeast(goal) => Some(format!("≥ {}", readable(goal))),
            Aim::Much => None,
        };
        vec![
            self.what.clone(),
            or_dash(self.ours.median().map(readable)),
            or_dash(self.ray.median().map(readable)),
            or_dash(self.ratio().map(readable)),
            or_dash(goal),
            or_dash(self.reached().map(|yes| if yes { "yes" } else { "no" }.to_owned())),
        ]
    }

    pub(super) fn document(&self) -> Value {
        let goal = match self.aim {
            Aim::AtMost(goal) => json!({ "at_most": goal }),
            Aim::AtLeast(goal) => json!({ "at_least": goal }),
            Aim::Much => Value::Null,
        };
        json!({
            "name": self.name,
            "what": self.what,
            "ours": self.ours.document(),
            "ray": self.ray.document(),
            "ratio": self.ratio().map(short),
            "goal": goal,
            "reached": self.reached(),
        })
    }
}

/// Four digits that count.
fn short(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// Three digits that count at most, all of a whole number of more, and commas between thousands.
fn readable(value: f64) -> String {
    let digits = match value.abs() {
        small if small < 9.995 => 2,
        small if small < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let rest = rest.trim_end_matches('0');
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{grouped}{point}{rest}")
}

#[cfg(test)]
mod tests {
    use super::{Aim, Figure, Found, readable};

    #[test]
    fn figures_are_short_to_read() {
        let cases =
            [(2465.4, "2,465"), (44.71, "44.7"), (0.981, "0.98"), (60.0, "60"), (-1.5, "-1.5")];
        for (value, text) in cases {
            assert_eq!(readable(value), text);
        }
        assert_eq!(readable(1_234_567.0), "1,234,567");
    }

    #[test]
    fn a_ratio_says_how_many_times_better_we_are() {
        let figure = |aim, ours: &[f64], ray: &[f64]| Figure {
            what: String::new(),
            name: String::new(),
            aim,
            ours: Found { values: ours.to_vec(), foreign: 0.0 },
            ray: Found { values: ray.to_vec(), foreign: 0.0 },
        };
        let little = figure(Aim::AtMost(60.0), &[90.0, 50.0, 40.0], &[500.0]);
        assert_eq!((little.ratio(), little.reached()), (Some(10.0), Some(true)));
        let much = figure(Aim::AtLeast(100.0), &[80.0], &[20.0]);
        assert_eq!((much.ratio(), much.reached()), (Some(4.0), Some(false)));
        let alone = figure(Aim::Much, &[80.0], &[]);
        assert_eq!((alone.ratio(), alone.reached()), (None, None));
    }
}
