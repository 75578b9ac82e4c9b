//! Labelled images in memory, checked once; where they came from is not its concern.

use crate::layout::IMAGE_BYTES;

/// Why pixels, labels and class names do not belong together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelledImagesError {
    /// The pixels are not one image per label.
    #[error(
        "{pixels} bytes of pixels for {labels} labels; {labels} images of 32x32x3 take {expected}"
    )]
    Pixels {
        /// Bytes given.
        pixels: usize,
        /// Labels given.
        labels: usize,
        /// Bytes that as many images take.
        expected: usize,
    },
    /// A label has no name.
    #[error("row {row} has label {label}, but there are {classes} class names; labels start at 0")]
    Label {
        /// Row, from 0.
        row: usize,
        /// Its label.
        label: u8,
        /// Number of names.
        classes: usize,
    },
}

/// Images `[N, 32, 32, 3]` (height, width, channel; one byte a sample) with a label each.
#[derive(Debug, Clone, Copy)]
pub struct LabelledImages<'a> {
    pixels: &'a [u8],
    labels: &'a [u8],
    classes: &'a [String],
}

impl<'a> LabelledImages<'a> {
    /// Takes `pixels` `[N, 32, 32, 3]`, `labels` `[N]` and the names of the labels from 0 on.
    ///
    /// # Errors
    /// When the lengths disagree or a label has no name.
    pub fn new(
        pixels: &'a [u8],
        labels: &'a [u8],
        classes: &'a [String],
    ) -> Result<Self, LabelledImagesError> {
        let expected = labels.len().saturating_mul(IMAGE_BYTES);
        if pixels.len() != expected {
            let (pixels, labels) = (pixels.len(), labels.len());
            return Err(LabelledImagesError::Pixels { pixels, labels, expected });
        }
        for (row, &label) in labels.iter().enumerate() {
            if usize::from(label) >= classes.len() {
                return Err(LabelledImagesError::Label { row, label, classes: classes.len() });
            }
        }
        Ok(Self { pixels, labels, classes })
    }

    /// Samples of all images, one after the other.
    #[must_use]
    pub fn pixels(&self) -> &'a [u8] {
        self.pixels
    }

    /// The label of each image, each below the number of classes.
    #[must_use]
    pub fn labels(&self) -> &'a [u8] {
        self.labels
    }

    /// Names of the classes, by label.
    #[must_use]
    pub fn classes(&self) -> &'a [String] {
        self.classes
    }

    /// Each image with its label.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8])> {
        self.labels.iter().copied().zip(self.pixels.chunks_exact(IMAGE_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::{LabelledImages, LabelledImagesError};

    #[test]
    fn disagreeing_lengths_and_nameless_labels_are_refused() {
        let classes = ["a".to_owned(), "b".to_owned()];
        let pixels = [0; 2 * 3072];
        let short = LabelledImages::new(&pixels, &[0], &classes).unwrap_err();
        let expected = LabelledImagesError::Pixels { pixels: 6144, labels: 1, expected: 3072 };
        assert_eq!(short, expected);
        let nameless = LabelledImages::new(&pixels, &[1, 2], &classes).unwrap_err();
        assert_eq!(nameless, LabelledImagesError::Label { row: 1, label: 2, classes: 2 });
    }
}
