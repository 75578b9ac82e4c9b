//! Mean and standard deviation of each channel over many calls: the example of an actor.

use mobula_guest::prelude::*;

/// Arguments of `RunningStats`.
#[args]
pub struct StatsArgs {
    /// Length of the last axis; that of the first images when not said.
    #[serde(default)]
    channels: Option<u32>,
}

/// What has been seen so far.
#[state]
pub struct RunningStats {
    count: u64,
    mean: Vec<f64>,
    /// Sums of the squared distances from the mean.
    squares: Vec<f64>,
}

/// The statistics of everything seen.
#[outputs]
pub struct Stats {
    /// Values of each channel.
    count: u64,
    /// Mean of each channel.
    mean: Vec<f64>,
    /// Standard deviation of each channel, of the population.
    std: Vec<f64>,
}

/// Mean and standard deviation of each channel over many `update` calls.
#[actor]
impl RunningStats {
    /// Nothing seen yet.
    pub fn new(args: StatsArgs) -> Result<Self> {
        let zeros = vec![0.0; args.channels.unwrap_or(0) as usize];
        Ok(Self { count: 0, mean: zeros.clone(), squares: zeros })
    }

    /// Takes in more images.
    pub fn update(
        &mut self,
        #[port(dtype = "u8", shape = "[N, …, C]")] images: Tensor,
    ) -> Result<Stats> {
        let channels = images.shape().last().copied().unwrap_or(0);
        let channels = usize::try_from(channels).unwrap_or(0);
        if images.dtype() != DType::U8 || channels == 0 || images.shape().len() < 2 {
            let message =
                format!("images of {:?} {:?}: give u8 [N, …, C]", images.dtype(), images.shape());
            return Err(Error::Invalid(message));
        }
        if self.mean.is_empty() {
            (self.mean, self.squares) = (vec![0.0; channels], vec![0.0; channels]);
        }
        if self.mean.len() != channels {
            let message = format!("images of {channels} channels after {}", self.mean.len());
            return Err(Error::Invalid(message));
        }
        // Whole numbers first: exact, and the same however the images are cut.
        let (mut sums, mut squares) = (vec![0_u64; channels], vec![0_u64; channels]);
        let row = images.byte_len() / images.rows().max(1);
        let lot = (256 << 10) / row.max(1) + 1;
        let mut seen = 0_u64;
        let mut start = 0;
        while start < images.rows() {
            let part = images.slice(start, lot.min(images.rows() - start))?.bytes()?;
            let rest = match channels {
                1 => add_blocks::<1>(&part, &mut sums, &mut squares),
                3 => add_blocks::<3>(&part, &mut sums, &mut squares),
                4 => add_blocks::<4>(&part, &mut sums, &mut squares),
                _ => &part,
            };
            add_pixels(rest, &mut sums, &mut squares);
            seen += part.len() as u64 / channels as u64;
            start += lot;
        }
        self.merge(seen, &sums, &squares);
        self.stats()
    }

    /// What has been seen so far.
    pub fn stats(&self) -> Result<Stats> {
        let n = self.count.max(1) as f64;
        let std = self.squares.iter().map(|square| (square / n).sqrt()).collect();
        Ok(Stats { count: self.count, mean: self.mean.clone(), std })
    }
}

/// Pixels of a block. In each turn of a loop a guest looks whether it has to stop; where a turn is one
/// pixel that costs a quarter of the time, where it is a block nothing that can be measured.
const BLOCK: usize = 32;

/// Adds up whole blocks of pixels of so many channels; gives what is left.
fn add_blocks<'a, const C: usize>(
    part: &'a [u8],
    sums: &mut [u64],
    squares: &mut [u64],
) -> &'a [u8] {
    let (pixels, _) = part.as_chunks::<C>();
    let (blocks, rest) = pixels.as_chunks::<BLOCK>();
    for block in blocks {
        // 32 · 255² is far below 2³².
        let (mut sum, mut square) = ([0_u32; C], [0_u32; C]);
        for pixel in block {
            for c in 0..C {
                let value = u32::from(pixel[c]);
                sum[c] += value;
                square[c] += value * value;
            }
        }
        for c in 0..C {
            sums[c] += u64::from(sum[c]);
            squares[c] += u64::from(square[c]);
        }
    }
    rest.as_flattened()
}

/// Adds up pixels of as many channels as there are sums.
fn add_pixels(part: &[u8], sums: &mut [u64], squares: &mut [u64]) {
    for pixel in part.chunks_exact(sums.len()) {
        for (value, (sum, square)) in pixel.iter().zip(sums.iter_mut().zip(squares.iter_mut())) {
            *sum += u64::from(*value);
            *square += u64::from(*value) * u64::from(*value);
        }
    }
}

impl RunningStats {
    /// Joins two samples: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
    /// computing sample variances", 1979.
    fn merge(&mut self, seen: u64, sums: &[u64], squares: &[u64]) {
        if seen == 0 {
            return;
        }
        let (a, b) = (self.count as f64, seen as f64);
        for (i, (sum, square)) in sums.iter().zip(squares).enumerate() {
            let mean = *sum as f64 / b;
            let spread = *square as f64 - mean * *sum as f64;
            let delta = mean - self.mean[i];
            self.mean[i] += delta * b / (a + b);
            self.squares[i] += spread + delta * delta * a * b / (a + b);
        }
        self.count += seen;
    }
}

plugin! { actors: [RunningStats] }

#[cfg(test)]
mod tests {
    use super::*;

    fn actor() -> RunningStats {
        RunningStats::new(StatsArgs { channels: None }).unwrap()
    }

    #[test]
    fn parts_give_what_the_whole_gives() {
        let bytes: Vec<u8> = (0..9000_u32).map(|i| (i * i % 256) as u8).collect();
        let images = |bytes: &[u8]| {
            Tensor::new(DType::U8, &[bytes.len() as u64 / 30, 10, 3], bytes).unwrap()
        };
        let whole = actor().update(images(&bytes)).unwrap();
        let mut parts = actor();
        for part in bytes.chunks(900) {
            parts.update(images(part)).unwrap();
        }
        let parts = parts.stats().unwrap();
        assert_eq!((whole.count, parts.count), (3000, 3000));
        for i in 0..3 {
            let channel: Vec<f64> =
                bytes.iter().skip(i).step_by(3).map(|b| f64::from(*b)).collect();
            let mean = channel.iter().sum::<f64>() / 3000.0;
            let variance = channel.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 3000.0;
            for stats in [&whole, &parts] {
                assert!((stats.mean[i] - mean).abs() < 1e-9);
                assert!((stats.std[i] - variance.sqrt()).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn other_images_are_refused() {
        let mut actor = actor();
        actor.update(Tensor::new(DType::U8, &[1, 3], &[1, 2, 3]).unwrap()).unwrap();
        assert!(actor.update(Tensor::new(DType::U8, &[1, 2], &[1, 2]).unwrap()).is_err());
        assert!(actor.update(Tensor::new(DType::F32, &[1, 1], &[0; 4]).unwrap()).is_err());
        assert_eq!(actor.stats().unwrap().count, 1);
    }
}
