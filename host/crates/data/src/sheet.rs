//! Draws a contact sheet, a PNG to look at; which rows are worth a look is not its concern.

use crate::labelled::LabelledImages;
use crate::layout::{CHANNELS, IMAGE_SIDE};

/// Largest sheet, in bytes of pixels: a screenful several times over.
const SHEET_BYTES_MAX: usize = 256 << 20;
/// Samples of the gaps and of places without an image: a grey that few images end in.
const GAP_SAMPLE: u8 = 32;

/// How a contact sheet looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SheetOptions {
    /// Images of each class, at most; the first ones are taken.
    pub columns: usize,
    /// Pixels on the sheet for a pixel of an image, along each axis.
    pub scale: usize,
    /// Pixels between images and around the sheet.
    pub gap: usize,
}

impl Default for SheetOptions {
    /// Ten images a class, twice as large, two pixels apart: 662 pixels wide.
    fn default() -> Self {
        Self { columns: 10, scale: 2, gap: 2 }
    }
}

/// Why no contact sheet was drawn.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// There is nothing to show.
    #[error(
        "a sheet of {rows} classes, {columns} columns at scale {scale} is empty; each must be 1 or more"
    )]
    Empty {
        /// Classes.
        rows: usize,
        /// Columns asked for.
        columns: usize,
        /// Scale asked for.
        scale: usize,
    },
    /// The sheet would be too large.
    #[error(
        "a sheet of {rows} classes and {columns} columns at scale {scale} takes more than \
         {SHEET_BYTES_MAX} bytes; ask for fewer columns or a smaller scale"
    )]
    TooLarge {
        /// Classes.
        rows: usize,
        /// Columns asked for.
        columns: usize,
        /// Scale asked for.
        scale: usize,
    },
    /// The image could not be encoded.
    #[error("cannot encode the sheet as PNG")]
    Encode(#[from] png::EncodingError),
}

/// Draws the first images of each class as a PNG: one row a class in label order, one column a
/// sample. The names stand in the PNG's `Description`, top to bottom, for tools that show it.
///
/// # Errors
/// When the sheet would be empty or far too large.
pub fn contact_sheet(
    images: LabelledImages<'_>,
    options: SheetOptions,
) -> Result<Vec<u8>, SheetError> {
    let mut sheet = Sheet::blank(images.classes().len(), options)?;
    let mut filled = vec![0; images.classes().len()];
    for (label, pixels) in images.iter() {
        let column = &mut filled[usize::from(label)];
        if *column < options.columns {
            sheet.place(usize::from(label), *column, pixels);
            *column += 1;
        }
    }
    sheet.encode(images.classes())
}

/// An RGB raster with a grid of images on it.
struct Sheet {
    options: SheetOptions,
    width: u32,
    height: u32,
    samples: Vec<u8>,
}

impl Sheet {
    fn blank(rows: usize, options: SheetOptions) -> Result<Self, SheetError> {
        let SheetOptions { columns, scale, gap } = options;
        if rows == 0 || columns == 0 || scale == 0 {
            return Err(SheetError::Empty { rows, columns, scale });
        }
        let side = |cells: usize| {
            let cell = scale.checked_mul(IMAGE_SIDE)?.checked_add(gap)?;
            cells.checked_mul(cell)?.checked_add(gap)
        };
        let size = side(columns).zip(side(rows)).and_then(|(width, height)| {
            let bytes = width.checked_mul(height)?.checked_mul(CHANNELS)?;
            (bytes <= SHEET_BYTES_MAX).then_some((width, height, bytes))
        });
        let Some((width, height, bytes)) = size else {
            return Err(SheetError::TooLarge { rows, columns, scale });
        };
        let narrow = |side: usize| u32::try_from(side).expect("a side is below the bytes' bound");
        let samples = vec![GAP_SAMPLE; bytes];
        Ok(Self { options, width: narrow(width), height: narrow(height), samples })
    }

    fn place(&mut self, row: usize, column: usize, pixels: &[u8]) {
        let SheetOptions { scale, gap, .. } = self.options;
        let cell = IMAGE_SIDE * scale + gap;
        let (left, top) = (gap + column * cell, gap + row * cell);
        let stride = self.width as usize * CHANNELS;
        for y in 0..IMAGE_SIDE * scale {
            let from = (y / scale) * IMAGE_SIDE * CHANNELS;
            let line = pixels[from..from + IMAGE_SIDE * CHANNELS].as_chunks::<CHANNELS>().0;
            let start = (top + y) * stride + left * CHANNELS;
            let target = &mut self.samples[start..start + IMAGE_SIDE * scale * CHANNELS];
            for (x, pixel) in target.as_chunks_mut::<CHANNELS>().0.iter_mut().enumerate() {
                *pixel = line[x / scale];
            }
        }
    }

    fn encode(&self, classes: &[String]) -> Result<Vec<u8>, SheetError> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.add_itxt_chunk("Description".to_owned(), classes.join(", "))?;
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.samples)?;
        writer.finish()?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::{GAP_SAMPLE, SheetError, SheetOptions, contact_sheet};
    use crate::labelled::LabelledImages;

    fn classes() -> Vec<String> {
        ["a", "b"].map(str::to_owned).to_vec()
    }

    #[test]
    fn rows_are_classes_and_columns_their_first_samples() {
        let classes = classes();
        let mut pixels = Vec::new();
        for shade in [10_u8, 20, 30, 40] {
            pixels.extend([shade; 3072]);
        }
        let images = LabelledImages::new(&pixels, &[1, 0, 1, 1], &classes).unwrap();
        let options = SheetOptions { columns: 2, scale: 1, gap: 1 };
        let bytes = contact_sheet(images, options).unwrap();

        let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().unwrap();
        let mut samples = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut samples).unwrap();
        assert_eq!((info.width, info.height), (67, 67));
        let at = |x: usize, y: usize| samples[(y * 67 + x) * 3];
        // Class a has one sample, class b its first two of three.
        assert_eq!([at(1, 1), at(34, 1), at(1, 34), at(65, 65)], [20, GAP_SAMPLE, 10, 30]);
        assert_eq!(at(0, 0), GAP_SAMPLE);
        let text = &reader.info().utf8_text[0];
        assert_eq!(
            (text.keyword.as_str(), text.get_text().unwrap()),
            ("Description", "a, b".into())
        );
    }

    #[test]
    fn empty_and_boundless_sheets_are_refused() {
        let classes = classes();
        let images = LabelledImages::new(&[], &[], &classes).unwrap();
        let sheet = |columns, scale| contact_sheet(images, SheetOptions { columns, scale, gap: 1 });
        assert!(matches!(sheet(0, 1), Err(SheetError::Empty { .. })));
        assert!(matches!(sheet(usize::MAX, 1), Err(SheetError::TooLarge { .. })));
        assert!(matches!(sheet(10, 10_000), Err(SheetError::TooLarge { .. })));
    }
}
