//! The plugin `{{name}}`: say here what it is for.

use mobula_guest::prelude::*;

/// Arguments of `{{class}}`.
#[args]
pub struct Args {
    /// What the sum begins with.
    #[arg(default = 0)]
    start: u64,
}

/// What is kept from call to call, and saved with a checkpoint.
#[state]
pub struct {{class}} {
    rows: u64,
    sum: u64,
}

/// What was seen so far.
#[outputs]
pub struct Total {
    /// Rows.
    rows: u64,
    /// The sum of their pixels.
    sum: u64,
}

/// Sums pixels over many calls.
#[actor]
impl {{class}} {
    pub fn new(args: Args) -> Result<Self> {
        Ok(Self { rows: 0, sum: args.start })
    }

    /// Take in more images.
    pub fn add(&mut self, #[port(shape = "[N, …]")] images: Tensor<u8>) -> Result<Total> {
        // Part by part: images of any size need little memory here.
        for part in images.parts() {
            let part = part?;
            self.rows += part.rows;
            self.sum += part.values.iter().map(|x| u64::from(*x)).sum::<u64>();
        }
        context::metric("sum", self.rows, self.sum as f64);
        self.total()
    }

    /// What was seen so far.
    pub fn total(&self) -> Result<Total> {
        Ok(Total { rows: self.rows, sum: self.sum })
    }
}

plugin! { actors: [{{class}}] }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_summed() -> Result<()> {
        let mut actor = {{class}}::new(Args { start: 10 })?;
        let total = actor.add(Tensor::of(&[2, 2], &[1, 2, 3, 4])?)?;
        assert_eq!((total.rows, total.sum), (2, 20));
        Ok(())
    }
}
