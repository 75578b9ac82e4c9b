//! Flips and moves images at random: the example of a plugin that computes. Built with `+simd128`; the inner
//! loops copy whole rows of pixels, which become vector moves.

use mobula_guest::prelude::*;

/// Images computed between two looks at cancellation and progress.
const LOT: u64 = 256;

/// Arguments of `augment`.
#[args]
pub struct AugmentArgs {
    /// Mirror each image with probability one half.
    #[serde(default = "yes")]
    flip: bool,
    /// Move each image by up to so many pixels along each axis; what comes in is black.
    #[serde(default = "four")]
    translate: u32,
    /// Another seed than that of the stage.
    #[serde(default)]
    seed: Option<u64>,
}

fn yes() -> bool {
    true
}

fn four() -> u32 {
    4
}

/// The changed images.
#[outputs]
pub struct Augmented {
    /// As many as before, in the same order.
    #[port(dtype = "u8", shape = "[N, H, W, C]")]
    images: Tensor,
}

/// Height, width and channels.
#[derive(Clone, Copy)]
struct Size {
    h: usize,
    w: usize,
    c: usize,
}

/// How one image is changed.
struct Change {
    flip: bool,
    down: isize,
    right: isize,
}

/// Flip and move images at random.
#[task]
pub fn augment(
    #[port(dtype = "u8", shape = "[N, H, W, C]")] images: Tensor,
    args: AugmentArgs,
) -> Result<Augmented> {
    let shape = images.shape();
    let (DType::U8, &[rows, h, w, c]) = (images.dtype(), &shape[..]) else {
        let message = format!("images of {:?} {shape:?}: give u8 [N, H, W, C]", images.dtype());
        return Err(Error::Invalid(message));
    };
    let axis = |axis: u64| usize::try_from(axis).map_err(|_| Error::invalid("images too large"));
    let size = Size { h: axis(h)?, w: axis(w)?, c: axis(c)? };
    let image = size.h * size.w * size.c;
    let mut random = Random::new(args.seed.unwrap_or_else(context::seed));
    let mut builder = TensorBuilder::new(DType::U8, &shape[1..], rows)?;
    let mut out = Vec::new();
    for start in (0..rows).step_by(usize::try_from(LOT).unwrap_or(1)) {
        if context::cancelled() {
            return Err(Error::Cancelled);
        }
        let lot = images.slice(start, LOT.min(rows - start))?.bytes()?;
        out.clear();
        out.resize(lot.len(), 0);
        if image > 0 {
            for (from, to) in lot.chunks_exact(image).zip(out.chunks_exact_mut(image)) {
                change(size, &draw(&args, &mut random), from, to);
            }
        }
        builder.append(&out)?;
        context::progress(start, Some(rows));
    }
    Ok(Augmented { images: builder.finish()? })
}

fn draw(args: &AugmentArgs, random: &mut Random) -> Change {
    let reach = args.translate.min(1 << 20);
    let mut offset = || random.below(2 * reach + 1).cast_signed() as isize - reach as isize;
    let (down, right) = (offset(), offset());
    Change { flip: args.flip && random.below(2) == 1, down, right }
}

/// `to` is black before.
fn change(size: Size, change: &Change, from: &[u8], to: &mut [u8]) {
    let Size { h, w, c } = size;
    let line = w * c;
    let skip = change.right.unsigned_abs().min(w);
    let (source, target) = if change.right < 0 { (skip, 0) } else { (0, skip) };
    let kept = (w - skip) * c;
    for y in 0..h {
        let Some(y_from) = y.checked_add_signed(-change.down).filter(|y| *y < h) else { continue };
        let from = &from[y_from * line..][..line];
        let to = &mut to[y * line..][..line];
        let from = &from[source * c..][..kept];
        let to = &mut to[target * c..][..kept];
        if change.flip {
            mirror(c, from, to);
        } else {
            to.copy_from_slice(from);
        }
    }
}

/// Pixels of three channels that are mirrored at one time: 15 bytes, one vector shuffle.
const BLOCK: usize = 5;

/// A line of pixels from its end to its start.
fn mirror(c: usize, from: &[u8], to: &mut [u8]) {
    let (from, to) = if c == 3 { mirror_rgb(from, to) } else { (from, to) };
    let pixels = from.chunks_exact(c.max(1)).rev();
    for (to, pixel) in to.chunks_exact_mut(c.max(1)).zip(pixels) {
        to.copy_from_slice(pixel);
    }
}

/// Mirrors whole blocks; gives back what is left of both lines.
fn mirror_rgb<'a>(from: &'a [u8], to: &'a mut [u8]) -> (&'a [u8], &'a mut [u8]) {
    let (from_rest, from_blocks) = from.as_rchunks::<{ 3 * BLOCK }>();
    let (to_blocks, to_rest) = to.as_chunks_mut::<{ 3 * BLOCK }>();
    for (to, p) in to_blocks.iter_mut().zip(from_blocks.iter().rev()) {
        *to = [
            p[12], p[13], p[14], p[9], p[10], p[11], p[6], p[7], p[8], p[3], p[4], p[5], p[0],
            p[1], p[2],
        ];
    }
    (from_rest, to_rest)
}

plugin! { tasks: [augment] }

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { h: 2, w: 3, c: 1 };

    fn changed(flip: bool, down: isize, right: isize) -> Vec<u8> {
        let mut to = vec![0; 6];
        change(SIZE, &Change { flip, down, right }, &[1, 2, 3, 4, 5, 6], &mut to);
        to
    }

    #[test]
    fn images_are_flipped_and_moved() {
        assert_eq!(changed(false, 0, 0), [1, 2, 3, 4, 5, 6]);
        assert_eq!(changed(true, 0, 0), [3, 2, 1, 6, 5, 4]);
        assert_eq!(changed(false, 1, 0), [0, 0, 0, 1, 2, 3]);
        assert_eq!(changed(false, -1, 1), [0, 4, 5, 0, 0, 0]);
        assert_eq!(changed(false, 0, -2), [3, 0, 0, 6, 0, 0]);
        assert_eq!(changed(false, 5, 0), [0; 6]);
        assert_eq!(changed(false, 0, 9), [0; 6]);
    }

    #[test]
    fn lines_of_every_length_are_mirrored() {
        for c in [1, 3, 4] {
            for w in 0..40 {
                let from: Vec<u8> = (0..w * c).map(|i| u8::try_from(i).unwrap()).collect();
                let mut to = vec![0; from.len()];
                mirror(c, &from, &mut to);
                let want: Vec<u8> = from.chunks(c).rev().flatten().copied().collect();
                assert_eq!(to, want, "{w} pixels of {c} channels");
            }
        }
    }

    #[test]
    fn the_seed_decides_and_nothing_is_lost() {
        let bytes: Vec<u8> = (0..600 * 48).map(|i| (i % 251) as u8 + 1).collect();
        let images = || Tensor::new(DType::U8, &[600, 4, 4, 3], &bytes).unwrap();
        let args = |translate| AugmentArgs { flip: true, translate, seed: Some(9) };
        let once = augment(images(), args(2)).unwrap().images;
        let twice = augment(images(), args(2)).unwrap().images;
        assert_eq!(once.shape(), [600, 4, 4, 3]);
        assert_eq!(once.bytes().unwrap(), twice.bytes().unwrap());
        let flipped = augment(images(), args(0)).unwrap().images.bytes().unwrap();
        let unchanged = bytes.chunks(48).zip(flipped.chunks(48)).filter(|(a, b)| a == b).count();
        assert!((200..400).contains(&unchanged), "{unchanged} of 600");
        let sorted = |image: &[u8]| {
            let mut image = image.to_vec();
            image.sort_unstable();
            image
        };
        assert!(bytes.chunks(48).zip(flipped.chunks(48)).all(|(a, b)| sorted(a) == sorted(b)));
    }

    #[test]
    fn other_shapes_are_refused() {
        let flat = Tensor::new(DType::U8, &[2, 6], &[0; 12]).unwrap();
        let args = AugmentArgs { flip: true, translate: 4, seed: None };
        assert!(matches!(augment(flat, args), Err(Error::Invalid(_))));
    }
}
