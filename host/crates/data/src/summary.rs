//! Counts and moments of a data set, for people and scripts; it draws no conclusions.

use crate::labelled::LabelledImages;
use crate::layout::CHANNELS;

/// What a data set holds.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct DataSummary {
    /// Number of images.
    pub rows: u64,
    /// Images of each class, in the order of the labels, absent classes included.
    pub classes: Vec<ClassCount>,
    /// Red, green and blue.
    pub channels: Vec<ChannelSummary>,
}

/// How many images a class has.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ClassCount {
    /// The label's value in the data.
    pub label: u8,
    /// The class.
    pub name: String,
    /// Its images.
    pub count: u64,
}

/// Moments of one colour channel over all pixels, on the scale 0 (dark) to 1 that networks get.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ChannelSummary {
    /// `red`, `green` or `blue`.
    pub name: String,
    /// Mean; 0 for no images.
    pub mean: f64,
    /// Standard deviation of the population (divided by n); 0 for no images.
    pub std: f64,
}

/// Counts the classes and takes mean and standard deviation of each channel.
///
/// The sums are whole numbers, so the result does not hang on the order of the images.
#[must_use]
pub fn describe(images: LabelledImages<'_>) -> DataSummary {
    let mut counts = vec![0_u64; images.classes().len()];
    // A sum of squares of bytes overflows 64 bits only beyond 10^14 samples.
    let (mut sums, mut squares) = ([0_u64; CHANNELS], [0_u64; CHANNELS]);
    for (label, pixels) in images.iter() {
        counts[usize::from(label)] += 1;
        for pixel in pixels.as_chunks::<CHANNELS>().0 {
            for (channel, &sample) in pixel.iter().enumerate() {
                let sample = u64::from(sample);
                sums[channel] += sample;
                squares[channel] += sample * sample;
            }
        }
    }
    let samples = (images.pixels().len() / CHANNELS) as u64;
    let channels = ["red", "green", "blue"].into_iter().zip(sums.into_iter().zip(squares));
    let classes = (0_u8..=u8::MAX).zip(images.classes()).zip(counts);
    DataSummary {
        rows: images.labels().len() as u64,
        classes: classes
            .map(|((label, name), count)| ClassCount { label, name: name.clone(), count })
            .collect(),
        channels: channels
            .map(|(name, (sum, square))| summarise_channel(name, samples, sum, square))
            .collect(),
    }
}

fn summarise_channel(name: &str, samples: u64, sum: u64, square: u64) -> ChannelSummary {
    if samples == 0 {
        return ChannelSummary { name: name.to_owned(), mean: 0.0, std: 0.0 };
    }
    // Var = (n * sum of squares - sum^2) / n^2, whole until the division, so nothing cancels.
    let (samples, sum, square) = (u128::from(samples), u128::from(sum), u128::from(square));
    let spread = samples * square - sum * sum;
    let count = samples as f64;
    let mean = sum as f64 / count / 255.0;
    ChannelSummary { name: name.to_owned(), mean, std: (spread as f64).sqrt() / count / 255.0 }
}

#[cfg(test)]
mod tests {
    use super::describe;
    use crate::labelled::LabelledImages;

    #[test]
    fn counts_and_moments_are_those_of_the_pixels() {
        let classes = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let mut pixels = Vec::new();
        // Red is 0 in one image and 255 in the other, green always 51, blue always 0.
        for red in [0, 255] {
            pixels.extend([red, 51, 0].repeat(1024));
        }
        let images = LabelledImages::new(&pixels, &[2, 0], &classes).unwrap();
        let summary = describe(images);
        assert_eq!(summary.rows, 2);
        let counts: Vec<u64> = summary.classes.iter().map(|class| class.count).collect();
        assert_eq!(counts, [1, 0, 1]);
        let moments: Vec<_> = summary.channels.iter().map(|c| (c.mean, c.std)).collect();
        assert_eq!(moments, [(0.5, 0.5), (0.2, 0.0), (0.0, 0.0)]);
    }

    #[test]
    fn no_images_give_zeros_not_nan() {
        let summary = describe(LabelledImages::new(&[], &[], &[]).unwrap());
        assert_eq!(
            (summary.rows, summary.channels[0].mean, summary.channels[0].std),
            (0, 0.0, 0.0)
        );
    }
}
