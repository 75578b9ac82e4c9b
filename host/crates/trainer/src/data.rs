//! Images and labels as they come in, checked once.

use crate::error::TrainError;

/// Images (N × H × W × C bytes) and one label each.
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    pixels: &'a [u8],
    labels: &'a [u8],
}

impl<'a> Images<'a> {
    /// Joins pixels and labels.
    ///
    /// # Errors
    /// [`TrainError::Images`] if there are none, or the pixels are no whole number of bytes each.
    pub fn new(pixels: &'a [u8], labels: &'a [u8]) -> Result<Self, TrainError> {
        let (bytes, count) = (pixels.len(), labels.len());
        if count == 0 || bytes == 0 || !bytes.is_multiple_of(count) || count > u32::MAX as usize {
            return Err(TrainError::Images(format!("{bytes} bytes of pixels for {count} labels")));
        }
        Ok(Self { pixels, labels })
    }

    /// How many.
    #[must_use]
    pub fn len(self) -> usize {
        self.labels.len()
    }

    /// Never true: the constructor refuses it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.labels.is_empty()
    }

    /// The pixels of all images.
    #[must_use]
    pub fn pixels(self) -> &'a [u8] {
        self.pixels
    }

    /// The label of each image.
    #[must_use]
    pub fn labels(self) -> &'a [u8] {
        self.labels
    }

    /// Pixels of image `i`.
    pub(crate) fn image(self, i: usize) -> &'a [u8] {
        let bytes = self.pixels.len() / self.labels.len();
        &self.pixels[i * bytes..][..bytes]
    }

    /// The first `n` and the others.
    pub(crate) fn split(self, n: usize) -> (Self, Self) {
        let bytes = self.pixels.len() / self.labels.len();
        let (pixels, held_pixels) = self.pixels.split_at(n * bytes);
        let (labels, held_labels) = self.labels.split_at(n);
        (Self { pixels, labels }, Self { pixels: held_pixels, labels: held_labels })
    }

    /// Requires `bytes` an image and labels below `classes`.
    pub(crate) fn check(self, bytes: usize, classes: usize) -> Result<(), TrainError> {
        let each = self.pixels.len() / self.labels.len();
        if each != bytes {
            return Err(TrainError::Images(format!(
                "{each} bytes an image, but the network takes {bytes}"
            )));
        }
        match self.labels.iter().position(|label| usize::from(*label) >= classes) {
            Some(i) => Err(TrainError::Images(format!(
                "label {} of image {i}; the network knows 0 to {}",
                self.labels[i],
                classes - 1
            ))),
            None => Ok(()),
        }
    }
}
