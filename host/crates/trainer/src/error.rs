//! What can go wrong with a trainer, said for the person who gave the input.

/// Why a trainer could not be made, run or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A field of the configuration or of an epoch's arguments is out of range.
    #[error("`{field}` is {value}: {want}")]
    Argument {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        want: &'static str,
    },
    /// The model is neither a preset nor a network file.
    #[error(
        "model `{0}` is unknown; give one of cifar10-664k, strided-593k, plain-667k, or a network \
         file, whose name ends in .toml"
    )]
    UnknownModel(String),
    /// The network file is no TOML, or not a network's.
    #[error("the network file is not valid: {0}")]
    File(String),
    /// A layer is not known, or does not fit what comes before it.
    #[error("layer {index} ({kind}) of network `{network}`: {reason}")]
    Layer {
        /// The network's name.
        network: String,
        /// Position in the file, from 1.
        index: usize,
        /// `conv`, `dense`, or what stands there instead.
        kind: String,
        /// What does not fit and what would.
        reason: String,
    },
    /// The network as a whole cannot be trained.
    #[error("network `{network}`: {reason}")]
    Network {
        /// Its name.
        network: String,
        /// What is wrong.
        reason: String,
    },
    /// Images and labels do not fit each other or the network.
    #[error("images: {0}")]
    Images(String),
    /// The progress callback asked to stop; the trainer is as it was before the epoch.
    #[error("the epoch was cancelled; the trainer is as it was before it")]
    Cancelled,
    /// The loss is no longer a number; the trainer is as it was before the epoch.
    #[error(
        "the loss of epoch {epoch} is not finite after {images} images; the trainer is as it was \
         before the epoch: lower the learning rate"
    )]
    Diverged {
        /// The epoch, from 0.
        epoch: u64,
        /// Images trained when it was seen.
        images: usize,
    },
    /// The bytes are not a snapshot of ours, or are damaged.
    #[error("the snapshot cannot be used: {0}")]
    Snapshot(String),
    /// The bytes are not weights of this network.
    #[error("the weights cannot be used: {0}")]
    Weights(String),
    /// The system gave no thread.
    #[error("cannot start a trainer thread: {0}")]
    Thread(#[source] std::io::Error),
}
