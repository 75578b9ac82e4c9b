//! The shapes that kernels work on and the letters for them; deliberately no data.
//!
//! N images, H rows, W columns, C channels in, K channels out, R and S the rows and columns of a
//! filter (always 3 × 3 here). All maps are NHWC: channels are contiguous.

/// The side of every convolution filter: R = S = 3.
pub const R: usize = 3;

/// One image's feature map, H × W × C, with `pad` zero pixels around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
    /// Channels.
    pub c: usize,
    /// Zero pixels on each of the four sides.
    pub pad: usize,
}

impl Map {
    /// A map without border.
    #[must_use]
    pub fn new(h: usize, w: usize, c: usize) -> Self {
        Self { h, w, c, pad: 0 }
    }

    /// The same map with a border of one pixel, as convolutions read it.
    #[must_use]
    pub fn padded(self) -> Self {
        Self { pad: 1, ..self }
    }

    /// The same map without border.
    #[must_use]
    pub fn plain(self) -> Self {
        Self { pad: 0, ..self }
    }

    /// Floats from one row to the next.
    #[must_use]
    pub fn row(self) -> usize {
        (self.w + 2 * self.pad) * self.c
    }

    /// Floats of one image, border included.
    #[must_use]
    pub fn len(self) -> usize {
        (self.h + 2 * self.pad) * self.row()
    }

    /// Whether the map holds nothing.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Values of one image, border excluded.
    #[must_use]
    pub fn values(self) -> usize {
        self.h * self.w * self.c
    }

    /// Where the first value inside the border stands.
    #[must_use]
    pub fn origin(self) -> usize {
        self.pad * (self.row() + self.c)
    }

    /// The values of row `y`, border excluded.
    #[must_use]
    pub fn line(self, y: usize) -> std::ops::Range<usize> {
        let start = self.origin() + y * self.row();
        start..start + self.w * self.c
    }
}

/// A 3 × 3 convolution with Keras' "same" padding, stride 1 or 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Input map with its border of one pixel.
    pub input: Map,
    /// Output channels.
    pub k: usize,
    /// 1 or 2.
    pub stride: usize,
}

impl Conv {
    /// A convolution of `input` (its own border is ignored) to `k` channels.
    #[must_use]
    pub fn new(input: Map, k: usize, stride: usize) -> Self {
        assert!(stride == 1 || stride == 2, "stride {stride} is not 1 or 2");
        Self { input: input.padded(), k, stride }
    }

    /// The output without border: ceil(H / stride) × ceil(W / stride) × K.
    #[must_use]
    pub fn output(self) -> Map {
        let Map { h, w, .. } = self.input;
        Map::new(h.div_ceil(self.stride), w.div_ceil(self.stride), self.k)
    }

    /// Weights of the filter bank, R × S × C × K.
    #[must_use]
    pub fn weights(self) -> usize {
        R * R * self.input.c * self.k
    }

    /// Row and column of the padded input where output (0, 0) starts. TensorFlow pads an even
    /// size at stride 2 only at the bottom and right, so there the border before is skipped.
    #[must_use]
    pub fn start(self) -> (usize, usize) {
        let before = |size: usize| {
            let out = size.div_ceil(self.stride);
            (((out - 1) * self.stride + R).saturating_sub(size)) / 2
        };
        (1 - before(self.input.h), 1 - before(self.input.w))
    }
}
