//! What the elements of a tensor are, and the Rust types that they are read as.

use std::fmt;

/// What the elements of a tensor are; more than one byte each is little endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DType {
    /// One byte, 0 or 1.
    Bool,
    /// Unsigned byte.
    U8,
    /// Signed, 4 bytes.
    S32,
    /// Signed, 8 bytes.
    S64,
    /// IEEE 754, 4 bytes.
    F32,
    /// IEEE 754, 8 bytes.
    F64,
}

impl DType {
    /// Bytes of one element.
    #[must_use]
    pub const fn size(self) -> u64 {
        match self {
            Self::Bool | Self::U8 => 1,
            Self::S32 | Self::F32 => 4,
            Self::S64 | Self::F64 => 8,
        }
    }

    /// The name in manifests and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::U8 => "u8",
            Self::S32 => "s32",
            Self::S64 => "s64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A Rust type that elements can be read as and written from.
pub trait Element: Copy + 'static {
    /// The elements that it fits.
    const DTYPE: DType;
    /// All elements of these bytes.
    fn elements(bytes: Vec<u8>) -> Vec<Self>;
    /// Adds the bytes of these elements.
    fn put(values: &[Self], bytes: &mut Vec<u8>);
}

impl Element for u8 {
    const DTYPE: DType = DType::U8;

    fn elements(bytes: Vec<u8>) -> Vec<Self> {
        bytes
    }

    fn put(values: &[Self], bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(values);
    }
}

impl Element for bool {
    const DTYPE: DType = DType::Bool;

    fn elements(bytes: Vec<u8>) -> Vec<Self> {
        bytes.into_iter().map(|byte| byte != 0).collect()
    }

    fn put(values: &[Self], bytes: &mut Vec<u8>) {
        bytes.extend(values.iter().map(|value| u8::from(*value)));
    }
}

macro_rules! words {
    ($($ty:ty => $dtype:ident),*) => {$(
        impl Element for $ty {
            const DTYPE: DType = DType::$dtype;

            fn elements(bytes: Vec<u8>) -> Vec<Self> {
                bytes.as_chunks().0.iter().map(|word| Self::from_le_bytes(*word)).collect()
            }

            fn put(values: &[Self], bytes: &mut Vec<u8>) {
                bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }
        }
    )*};
}

words!(i32 => S32, i64 => S64, f32 => F32, f64 => F64);
