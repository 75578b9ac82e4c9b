//! Shapes as a port writes them: `[N, H, W, 3]`. A number is that length, a name any length, though the same
//! one wherever it stands in a call; `…` is any number of axes. Other words are for people only.

use std::collections::BTreeMap;

/// Lengths that names have in one call.
#[derive(Debug, Default)]
pub(crate) struct Axes {
    known: BTreeMap<String, u64>,
}

impl Axes {
    /// Whether these axes fit; the error says which does not.
    pub(crate) fn fit(&mut self, pattern: &str, axes: &[u64]) -> Result<(), String> {
        let Some(parts) = parts(pattern) else { return Ok(()) };
        let wrong = || Err(format!("it takes the shape {pattern}, but got {axes:?}"));
        let gap = parts.iter().position(|part| is_gap(part));
        let (first, last) = match gap {
            Some(gap) => (&parts[..gap], &parts[gap + 1..]),
            None => (&parts[..], &parts[..0]),
        };
        let named = first.len() + last.len();
        if axes.len() < named || (gap.is_none() && axes.len() != named) {
            return wrong();
        }
        let ends = first.iter().zip(axes).chain(last.iter().zip(&axes[axes.len() - last.len()..]));
        for (part, length) in ends {
            match part.parse::<u64>() {
                Ok(wanted) if wanted == *length => {}
                Ok(_) => return wrong(),
                Err(_) => {
                    let known = *self.known.entry((*part).to_owned()).or_insert(*length);
                    if known != *length {
                        return Err(format!(
                            "its shape is {axes:?}, where {part} of {pattern} is {known} elsewhere"
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}

fn is_gap(part: &str) -> bool {
    part == "…" || part == "..."
}

/// `None` for words that are no pattern.
fn parts(pattern: &str) -> Option<Vec<&str>> {
    let inner = pattern.trim().strip_prefix('[')?.strip_suffix(']')?;
    let parts: Vec<&str> = inner.split(',').map(str::trim).collect();
    let word =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    let gaps = parts.iter().filter(|part| is_gap(part)).count();
    (gaps <= 1 && parts.iter().all(|part| word(part) || is_gap(part))).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::Axes;

    #[test]
    fn numbers_names_and_gaps_are_held_against_the_axes() {
        let fit = |pattern: &str, axes: &[u64]| Axes::default().fit(pattern, axes);
        assert_eq!(fit("[N, 32, 32, 3]", &[7, 32, 32, 3]), Ok(()));
        assert!(fit("[N, 32, 32, 3]", &[7, 32, 32]).is_err());
        assert!(fit("[N, 32, 32, 3]", &[7, 32, 31, 3]).is_err());
        assert_eq!(fit("[N, …, C]", &[7, 3]), Ok(()));
        assert_eq!(fit("[N, ..., C]", &[7, 8, 9, 3]), Ok(()));
        assert!(fit("[N, …, C]", &[7]).is_err());
        assert_eq!(fit("rows of anything", &[7]), Ok(()));
        assert!(fit("[N, N]", &[2, 3]).is_err());
    }

    #[test]
    fn a_name_is_one_length_in_all_inputs_of_a_call() {
        let mut axes = Axes::default();
        assert_eq!(axes.fit("[N, 3]", &[5, 3]), Ok(()));
        let why = axes.fit("[N]", &[4]);
        assert!(why.as_ref().is_err_and(|why| why.contains("N of [N] is 5 elsewhere")), "{why:?}");
    }
}
