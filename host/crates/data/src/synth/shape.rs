//! The ten classes as distance functions; colour, place and noise are not its concern.
//!
//! Only `+ - * /`, square roots and comparisons are used, which IEEE 754 rounds alike everywhere.

use super::random::Random;

/// Names of the classes of a synthetic set, in the order of their labels.
pub const CLASS_NAMES: [&str; 10] = [
    "disk", "ring", "square", "frame", "triangle", "cross", "star", "crescent", "stripes",
    "checker",
];

/// Sine and cosine of multiples of a fifth of a turn: the sides of a star.
const FIFTHS: [[f32; 2]; 5] = [
    [1.0, 0.0],
    [0.309_017, 0.951_056_5],
    [-0.809_017, 0.587_785_25],
    [-0.809_017, -0.587_785_25],
    [0.309_017, -0.951_056_5],
];
/// Distance of a star's sides from its centre; its tips are 2.618 times as far.
const STAR_INNER: f32 = 0.39;

/// One member of a class: the label and the proportions that vary within the class.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    label: u8,
    /// Width of the band of a ring or frame, of a cross's arm, bite of a crescent: 0 to 1.
    weight: f32,
    /// Cells of stripes and checkers per unit of length.
    cells: f32,
    /// Where in its pattern a striped patch starts.
    phase: [f32; 2],
    /// Whether a patterned patch is round rather than square, so that its outline tells nothing.
    round: bool,
}

impl Shape {
    /// A member of class `label`, which must be below 10.
    pub(crate) fn draw(label: u8, random: &mut Random) -> Self {
        assert!(usize::from(label) < CLASS_NAMES.len(), "label {label} has no class");
        Self {
            label,
            weight: random.unit(),
            cells: random.between(2.0, 2.8),
            phase: [random.unit(), random.unit()],
            round: random.below(2) == 0,
        }
    }

    /// Signed distance of `point` to the outline, negative inside. The shape fills about the unit
    /// circle; outside corners the value is a lower bound, which is enough for soft edges.
    pub(crate) fn distance(&self, point: [f32; 2]) -> f32 {
        let [x, y] = point;
        match self.label {
            0 => circle(point, 0.95),
            1 => circle(point, 0.74).abs() - (0.14 + 0.1 * self.weight),
            2 => square(point, 0.8),
            3 => square(point, 0.68).abs() - (0.13 + 0.1 * self.weight),
            4 => triangle(point),
            5 => {
                let arm = 0.22 + 0.12 * self.weight;
                rectangle([x, y], [1.0, arm]).min(rectangle([y, x], [1.0, arm]))
            }
            6 => star(point),
            7 => circle(point, 0.95).max(-circle([x - 0.4 - 0.15 * self.weight, y], 0.72)),
            8 => self.patch(point).max(self.stripe(x, self.phase[0])),
            _ => {
                let (across, along) =
                    (self.stripe(x, self.phase[0]), self.stripe(y, self.phase[1]));
                self.patch(point).max(across.min(along).max(-across.max(along)))
            }
        }
    }

    fn patch(&self, point: [f32; 2]) -> f32 {
        if self.round { circle(point, 1.0) } else { square(point, 0.86) }
    }

    /// Parallel bands of equal width; `cells` of them per unit, light and dark.
    fn stripe(&self, position: f32, phase: f32) -> f32 {
        let place = position * self.cells * 0.5 + phase + 8.0;
        ((place - place.floor() - 0.5).abs() - 0.25) * 2.0 / self.cells
    }
}

fn circle([x, y]: [f32; 2], radius: f32) -> f32 {
    (x * x + y * y).sqrt() - radius
}

fn rectangle([x, y]: [f32; 2], [half_width, half_height]: [f32; 2]) -> f32 {
    (x.abs() - half_width).max(y.abs() - half_height)
}

fn square(point: [f32; 2], half: f32) -> f32 {
    rectangle(point, [half, half])
}

fn triangle([x, y]: [f32; 2]) -> f32 {
    let slant = 0.866_025_4 * x.abs() + 0.5 * y;
    slant.max(-y) - 0.53
}

/// A pentagram: the points that lie beyond at most one of five sides.
fn star([x, y]: [f32; 2]) -> f32 {
    let (mut first, mut second) = (f32::MIN, f32::MIN);
    for [cos, sin] in FIFTHS {
        let side = cos * x + sin * y;
        second = second.max(first.min(side));
        first = first.max(side);
    }
    second - STAR_INNER
}
