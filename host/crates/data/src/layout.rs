//! The names and sizes of the CIFAR-10 binary layout; it reads and writes nothing itself.

/// Width and height of an image, in pixels.
pub const IMAGE_SIDE: usize = 32;
/// Colour channels of an image: red, green, blue.
pub const CHANNELS: usize = 3;
/// Bytes of one image without its label.
pub const IMAGE_BYTES: usize = IMAGE_SIDE * IMAGE_SIDE * CHANNELS;
/// Bytes of one record: a label, then the red, green and blue planes, each row by row.
pub const RECORD_BYTES: usize = 1 + IMAGE_BYTES;

/// Files that hold the training rows.
pub(crate) const TRAIN_FILES: [&str; 5] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
];
/// File that holds the test rows.
pub(crate) const TEST_FILE: &str = "test_batch.bin";
/// File that names the classes, one a line, in the order of their labels.
pub(crate) const CLASSES_FILE: &str = "batches.meta.txt";
