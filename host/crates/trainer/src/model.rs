//! The network file: its layers as written, and the presets. How it is read is `parse`'s business,
//! shapes are `network`'s.

use crate::error::TrainError;
use crate::parse;

/// The presets, each with the text of its network file.
pub const PRESETS: [(&str, &str); 3] = [
    ("cifar10-664k", include_str!("../presets/cifar10-664k.toml")),
    ("strided-593k", include_str!("../presets/strided-593k.toml")),
    ("plain-667k", include_str!("../presets/plain-667k.toml")),
];

/// A network file.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) name: String,
    /// Height, width, channels.
    pub(crate) input: [usize; 3],
    pub(crate) layers: Vec<Layer>,
}

/// One layer as written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Layer {
    /// 3 × 3, Keras' "same" padding.
    Conv {
        filters: usize,
        stride: usize,
    },
    BatchNorm {},
    Relu {},
    LeakyRelu {},
    /// 2 × 2.
    MaxPool {},
    Dropout {
        rate: f32,
    },
    Flatten {},
    Dense {
        units: usize,
    },
    GlobalAvgPool {},
}

impl Layer {
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Conv { .. } => "conv",
            Self::BatchNorm {} => "batch_norm",
            Self::Relu {} => "relu",
            Self::LeakyRelu {} => "leaky_relu",
            Self::MaxPool {} => "max_pool",
            Self::Dropout { .. } => "dropout",
            Self::Flatten {} => "flatten",
            Self::Dense { .. } => "dense",
            Self::GlobalAvgPool {} => "global_avg_pool",
        }
    }

    /// The factor of negative values, if the layer is an activation.
    pub(crate) fn slope(self) -> Option<f32> {
        match self {
            Self::Relu {} => Some(0.0),
            Self::LeakyRelu {} => Some(0.3),
            _ => None,
        }
    }
}

/// The text of a model: a preset's, or what was given if it is a network file itself.
pub(crate) fn text(model: &str) -> Result<&str, TrainError> {
    if model.contains('=') {
        return Ok(model);
    }
    let preset = PRESETS.iter().find(|(name, _)| *name == model);
    preset.map(|(_, text)| *text).ok_or_else(|| TrainError::UnknownModel(parse::quote(model)))
}
