//! Draws one labelled image from a seed; files and threads are not its concern.

use super::random::Random;
use super::shape::{CLASS_NAMES, Shape};
use crate::layout::{CHANNELS, IMAGE_BYTES, IMAGE_SIDE, RECORD_BYTES};

/// Which of the two sets an image belongs to; the two never share a random stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// The rows that a network learns from.
    Train,
    /// The rows that it is judged by.
    Test,
}

/// Radius of the subject, in pixels.
const RADIUS: [f32; 2] = [8.0, 12.5];
/// Farthest that the subject's centre lies from the image's, in pixels along each axis.
const OFFSET_MAX: f32 = 4.0;
/// Least difference of brightness between subject and background, of a range of 1.
const CONTRAST_MIN: f32 = 0.3;
/// Share of the images whose subject is lighter than its background.
const LIGHT_SHARE: f32 = 0.75;
/// Standard deviation of the noise of each sample.
const NOISE: [f32; 2] = [0.01, 0.06];
/// Amplitude of the smooth texture of background and subject.
const TEXTURE: [f32; 2] = [0.02, 0.10];
/// Small discs and bars behind and before the subject, at most.
const CLUTTER_MAX: u32 = 3;
/// Points of the coarse grid that a texture is interpolated from: 7 cells and a border.
const GRID: usize = 8;
const PIXELS: usize = IMAGE_SIDE * IMAGE_SIDE;

type Colour = [f32; CHANNELS];

/// Draws row `index` of a split as a CIFAR-10 record: the label, then the three planes.
///
/// The bytes depend on `seed`, `split` and `index` alone, and are the same on every machine.
#[must_use]
pub fn render(seed: u64, split: Split, index: u64) -> [u8; RECORD_BYTES] {
    let domain = match split {
        Split::Train => 1,
        Split::Test => 2,
    };
    let label = label_of(seed, domain, index);
    let mut random = Random::keyed(seed, domain, index);
    let scene = Scene::draw(label, &mut random);
    let mut record = [0; RECORD_BYTES];
    record[0] = label;
    for pixel in 0..PIXELS {
        let colour = scene.colour((pixel % IMAGE_SIDE) as f32, (pixel / IMAGE_SIDE) as f32);
        for (channel, value) in colour.into_iter().enumerate() {
            let value = value + scene.noise * random.normal();
            // The cast of a float saturates, so values beyond black and white are clipped.
            record[1 + channel * PIXELS + pixel] = (value * 255.0 + 0.5) as u8;
        }
    }
    debug_assert_eq!(record.len(), 1 + IMAGE_BYTES, "a record is a label and an image");
    record
}

/// The label of row `index`: each block of ten rows holds each class once, in a drawn order.
fn label_of(seed: u64, domain: u64, index: u64) -> u8 {
    let classes = CLASS_NAMES.len() as u64;
    let mut random = Random::keyed(seed, domain | 0x100, index / classes);
    let mut order = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    for last in (1..CLASS_NAMES.len() as u32).rev() {
        order.swap(last as usize, random.below(last + 1) as usize);
    }
    order[(index % classes) as usize]
}

/// Everything about an image but its noise.
#[derive(Debug)]
struct Scene {
    behind: Vec<Clutter>,
    subject: Shape,
    centre: [f32; 2],
    /// Rows of the map from pixels to the subject's own axes.
    axes: [[f32; 2]; 2],
    /// Pixels per unit of the subject's axes, for edges one pixel soft.
    sharpness: f32,
    paint: Texture,
    backdrop: Texture,
    before: Vec<Clutter>,
    noise: f32,
}

impl Scene {
    fn draw(label: u8, random: &mut Random) -> Self {
        let (front, back) = contrasting_colours(random);
        let centre_of = |random: &mut Random| {
            let middle = (IMAGE_SIDE as f32 - 1.0) / 2.0;
            [(); 2].map(|()| middle + random.between(-OFFSET_MAX, OFFSET_MAX))
        };
        let radius = random.between(RADIUS[0], RADIUS[1]);
        let squeeze = random.between(0.78, 1.0);
        let [cos, sin] = random.direction();
        let (wide, narrow) = (1.0 / radius, 1.0 / (radius * squeeze));
        let count = random.below(CLUTTER_MAX + 1);
        let in_front = random.below(2).min(count);
        Self {
            behind: (in_front..count).map(|_| Clutter::draw(random)).collect(),
            subject: Shape::draw(label, random),
            centre: centre_of(random),
            axes: [[cos * wide, sin * wide], [-sin * narrow, cos * narrow]],
            sharpness: radius * squeeze,
            paint: Texture::draw(front, random),
            backdrop: Texture::draw(back, random),
            before: (0..in_front).map(|_| Clutter::draw(random)).collect(),
            noise: random.between(NOISE[0], NOISE[1]),
        }
    }

    fn colour(&self, x: f32, y: f32) -> Colour {
        let mut colour = self.backdrop.at(x, y);
        for clutter in &self.behind {
            colour = blend(colour, clutter.colour, clutter.cover(x, y));
        }
        let (dx, dy) = (x - self.centre[0], y - self.centre[1]);
        let point = self.axes.map(|axis| axis[0] * dx + axis[1] * dy);
        let cover = (0.5 - self.subject.distance(point) * self.sharpness).clamp(0.0, 1.0);
        if cover > 0.0 {
            colour = blend(colour, self.paint.at(x, y), cover);
        }
        for clutter in &self.before {
            colour = blend(colour, clutter.colour, clutter.cover(x, y));
        }
        colour
    }
}

/// A small bar of one colour that belongs to no class.
#[derive(Debug)]
struct Clutter {
    centre: [f32; 2],
    axis: [f32; 2],
    half: [f32; 2],
    colour: Colour,
}

impl Clutter {
    fn draw(random: &mut Random) -> Self {
        let side = IMAGE_SIDE as f32;
        Self {
            centre: [random.between(0.0, side), random.between(0.0, side)],
            axis: random.direction(),
            half: [random.between(1.0, 5.0), random.between(0.7, 1.8)],
            colour: any_colour(random),
        }
    }

    fn cover(&self, x: f32, y: f32) -> f32 {
        let (dx, dy) = (x - self.centre[0], y - self.centre[1]);
        let along = (self.axis[0] * dx + self.axis[1] * dy).abs() - self.half[0];
        let across = (self.axis[0] * dy - self.axis[1] * dx).abs() - self.half[1];
        (0.5 - along.max(across)).clamp(0.0, 1.0)
    }
}

/// A colour with a slope and smooth spots of brightness.
#[derive(Debug)]
struct Texture {
    colour: Colour,
    slope: [f32; 2],
    spots: [[f32; GRID]; GRID],
}

impl Texture {
    fn draw(colour: Colour, random: &mut Random) -> Self {
        let steep = random.between(0.0, 0.2) / IMAGE_SIDE as f32;
        let amplitude = random.between(TEXTURE[0], TEXTURE[1]);
        let slope = random.direction().map(|part| part * steep);
        let spots = [(); GRID].map(|()| [(); GRID].map(|()| random.between(-amplitude, amplitude)));
        Self { colour, slope, spots }
    }

    fn at(&self, x: f32, y: f32) -> Colour {
        let middle = IMAGE_SIDE as f32 / 2.0;
        let lean = self.slope[0] * (x - middle) + self.slope[1] * (y - middle);
        let cells = (GRID - 1) as f32 / IMAGE_SIDE as f32;
        let (across, down) = (x * cells, y * cells);
        // Pixels lie below the last grid line, so the neighbour on the far side exists.
        let (column, row) = (across as usize, down as usize);
        let (right, lower) = (across - column as f32, down - row as f32);
        let line = |row: usize| mix(self.spots[row][column], self.spots[row][column + 1], right);
        let light = lean + mix(line(row), line(row + 1), lower);
        self.colour.map(|value| value + light)
    }
}

/// A subject's colour and its background's, apart in brightness. The subject is the lighter one
/// more often than not, in every class.
fn contrasting_colours(random: &mut Random) -> (Colour, Colour) {
    loop {
        let (one, other) = (any_colour(random), any_colour(random));
        let lighter = brightness(one) - brightness(other);
        // About a third of all pairs pass, so the loop ends.
        if lighter.abs() >= CONTRAST_MIN {
            let keep = (lighter > 0.0) == (random.unit() < LIGHT_SHARE);
            return if keep { (one, other) } else { (other, one) };
        }
    }
}

fn any_colour(random: &mut Random) -> Colour {
    [(); CHANNELS].map(|()| random.between(0.05, 0.95))
}

/// Luma of ITU-R BT.601.
fn brightness([red, green, blue]: Colour) -> f32 {
    0.299 * red + 0.587 * green + 0.114 * blue
}

fn blend(under: Colour, over: Colour, cover: f32) -> Colour {
    std::array::from_fn(|channel| mix(under[channel], over[channel], cover))
}

fn mix(from: f32, to: f32, share: f32) -> f32 {
    from + (to - from) * share
}
