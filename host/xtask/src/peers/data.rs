//! Images with something to learn in them: a pattern of their class, more or less hidden.
//!
//! Made here, so that all sides read the same bytes: labels, then pixels (N × H × W × C).

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Images to train on: enough that the fastest side takes a while for an epoch.
pub(crate) const TRAIN: usize = 8192;
pub(crate) const TEST: usize = 5000;
/// The largest batch.
pub(crate) const FIRST: usize = 128;

const SIDE: usize = 32;
const CHANNELS: usize = 3;
const CLASSES: u64 = 10;
/// A pattern is so many squares wide and high.
const SQUARES: usize = 4;
/// How visible the pattern of its class is in the clearest image; in the others, anything below.
/// Ten epochs of 2,000 images then gave 63 % of 1,000 others (cifar10-664k, exact, seed 0, in the
/// order of the file, without dropout). At 0.3, and moved anywhere, they gave 10 %: chance.
const CLEAREST: f64 = 0.8;
/// Pixels that a pattern is moved by, less one.
const MOVES: usize = 8;

/// Writes `count` images, the same for the same `seed` on any machine.
pub(crate) fn write(path: &Path, count: usize, seed: u64) -> Result<()> {
    // Patterns are the same in all files.
    let mut draws = Draws(0);
    let patterns: Vec<Vec<f64>> = (0..CLASSES)
        .map(|_| (0..SQUARES * SQUARES * CHANNELS).map(|_| draws.unit() * 255.0).collect())
        .collect();
    let mut draws = Draws(seed);
    let labels: Vec<u8> = (0..count).map(|_| (draws.next() % CLASSES) as u8).collect();
    let mut bytes = labels.clone();
    for label in &labels {
        image(&patterns[usize::from(*label)], &mut draws, &mut bytes);
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// One image: the pattern moved a little, round the edges, under noise.
fn image(pattern: &[f64], draws: &mut Draws, bytes: &mut Vec<u8>) {
    let clear = CLEAREST * draws.unit();
    let (down, right) = (draws.next() as usize % MOVES, draws.next() as usize % MOVES);
    let square = |at: usize, moved: usize| (at + moved) % SIDE / (SIDE / SQUARES);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let at = (square(y, down) * SQUARES + square(x, right)) * CHANNELS;
            for value in &pattern[at..at + CHANNELS] {
                bytes.push((clear * value + (1.0 - clear) * draws.unit() * 255.0) as u8);
            }
        }
    }
}

/// SplitMix64.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Between 0 and 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
