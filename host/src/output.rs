//! What commands say: results to standard output, prose to standard error. Decides no exit code.

use std::io::{self, Write};

use serde::Serialize;

/// Where a command speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// One document instead of prose.
    pub(crate) json: bool,
}

impl Output {
    /// A result: the document with `--json`, else the prose.
    pub(crate) fn result(
        self,
        document: &impl Serialize,
        prose: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let text = if self.json { serde_json::to_string(document)? } else { prose() };
        to_stdout(&text)
    }

    /// A remark for a person, on standard error.
    pub(crate) fn note(self, text: &str) {
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// Writes a line; a reader that went away, such as `head`, is no failure.
pub(crate) fn to_stdout(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}

/// Columns that line up, the first row being the heading; columns of numbers to the right.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let numeric = cell.chars().next().is_some_and(|c| c.is_ascii_digit())
                && cell.chars().all(|c| c.is_ascii_digit() || ".,%".contains(c));
            if numeric { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Bytes as a person reads them.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// A time in milliseconds since 1970 as `2026-11-24 10:00:00 UTC`.
/// Days to dates: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
pub(crate) fn date(ms: u64) -> String {
    let (days, seconds) = (ms / 86_400_000, ms / 1000 % 86_400);
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_bytes_read_well() {
        assert_eq!(date(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date(1_709_164_799_000), "2024-02-28 23:59:59 UTC");
        assert_eq!(date(1_709_164_800_000), "2024-02-29 00:00:00 UTC");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(8 << 20), "8.0 MiB");
    }

    #[test]
    fn columns_line_up() {
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        assert_eq!(table(&[row("name", "n"), row("x", "10")]), "name  n\nx     10");
    }
}
