//! CIFAR-10 data on disk: synthetic sets, downloads, summaries and contact sheets.
//!
//! Synchronous and silent: progress goes to a callback, which can also stop the work. Reading a
//! data set into tensors is deliberately not here; that is a plugin's work.

mod archive;
mod classes;
mod fetch;
mod labelled;
mod layout;
mod progress;
mod sheet;
mod staging;
mod summary;
mod synth;

pub use archive::{UnpackError, unpack};
pub use classes::{ClassNamesError, parse_class_names, read_class_names};
pub use fetch::{
    CIFAR10_MD5, CIFAR10_SHA256, CIFAR10_URL, Digests, FETCH_BYTES_MAX, FetchError, FetchOptions,
    Fetched, ParseDigestError, fetch, parse_md5, parse_sha256,
};
pub use labelled::{LabelledImages, LabelledImagesError};
pub use layout::{CHANNELS, IMAGE_BYTES, IMAGE_SIDE, RECORD_BYTES};
pub use progress::Progress;
pub use sheet::{SheetError, SheetOptions, contact_sheet};
pub use staging::StagingError;
pub use summary::{ChannelSummary, ClassCount, DataSummary, describe};
pub use synth::{
    CLASS_NAMES, ROWS_MAX, Split, SynthError, SynthOptions, Synthesised, render, synth,
};
