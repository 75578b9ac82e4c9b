//! The checksums a download is held to; where its bytes come from is not its concern.

use std::fmt;

use md5::Md5;
use sha2::{Digest as _, Sha256};

/// SHA-256 of `cifar-10-binary.tar.gz`, 170,052,171 bytes.
pub const CIFAR10_SHA256: [u8; 32] = [
    0xc4, 0xa3, 0x8c, 0x50, 0xa1, 0xbc, 0x5f, 0x3a, 0x1c, 0x55, 0x37, 0xf2, 0x15, 0x5a, 0xb9, 0xd6,
    0x8f, 0x9f, 0x25, 0xeb, 0x1e, 0xd8, 0xd9, 0xdd, 0xda, 0x3d, 0xb2, 0x9a, 0x59, 0xbc, 0xa1, 0xdd,
];
/// MD5 of `cifar-10-binary.tar.gz`, as published on the page of the data set.
pub const CIFAR10_MD5: [u8; 16] = [
    0xc3, 0x2a, 0x1d, 0x4a, 0xb5, 0xd0, 0x3f, 0x12, 0x84, 0xb6, 0x78, 0x83, 0xe8, 0xd8, 0x75, 0x30,
];

/// Text that is no checksum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {kind} checksum; write {digits} hexadecimal digits")]
pub struct ParseDigestError {
    text: String,
    kind: &'static str,
    digits: usize,
}

/// Reads a SHA-256 checksum of 64 hexadecimal digits, upper or lower case.
///
/// # Errors
/// When the text is anything else.
pub fn parse_sha256(text: &str) -> Result<[u8; 32], ParseDigestError> {
    parse_hex(text).ok_or_else(|| ParseDigestError {
        text: text.to_owned(),
        kind: "SHA-256",
        digits: 64,
    })
}

/// Reads an MD5 checksum of 32 hexadecimal digits, upper or lower case.
///
/// # Errors
/// When the text is anything else.
pub fn parse_md5(text: &str) -> Result<[u8; 16], ParseDigestError> {
    parse_hex(text).ok_or_else(|| ParseDigestError {
        text: text.to_owned(),
        kind: "MD5",
        digits: 32,
    })
}

fn parse_hex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    // Bytes, not characters: a digit is one byte, and anything longer is refused below.
    let digits = text.as_bytes();
    if digits.len() != 2 * BYTES || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
        let nibble = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(nibble(pair[0])? << 4 | nibble(pair[1])?).ok()?;
    }
    Some(bytes)
}

/// Bytes shown as lower-case hexadecimal digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Both checksums of the bytes seen so far.
#[derive(Clone, Default)]
pub(crate) struct Hashes {
    sha256: Sha256,
    md5: Md5,
}

impl Hashes {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.md5.update(bytes);
    }

    pub(crate) fn finish(self) -> ([u8; 32], [u8; 16]) {
        (self.sha256.finalize().into(), self.md5.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::{CIFAR10_MD5, CIFAR10_SHA256, Hashes, Hex, parse_md5, parse_sha256};

    #[test]
    fn published_checksums_read_back() {
        let md5 = "c32a1d4ab5d03f1284b67883e8d87530";
        assert_eq!(parse_md5(md5).unwrap(), CIFAR10_MD5);
        assert_eq!(Hex(&CIFAR10_MD5).to_string(), md5);
        let sha256 = "C4A38C50A1BC5F3A1C5537F2155AB9D68F9F25EB1ED8D9DDDA3DB29A59BCA1DD";
        assert_eq!(parse_sha256(sha256).unwrap(), CIFAR10_SHA256);
    }

    #[test]
    fn text_that_is_no_checksum_is_named() {
        let error = parse_md5("+1").unwrap_err().to_string();
        assert_eq!(error, "`+1` is no MD5 checksum; write 32 hexadecimal digits");
        assert!(parse_sha256(&"é".repeat(32)).is_err());
    }

    #[test]
    fn hashes_are_those_of_the_standards() {
        let mut hashes = Hashes::default();
        hashes.update(b"a");
        hashes.update(b"bc");
        let (sha256, md5) = hashes.finish();
        assert!(Hex(&sha256).to_string().starts_with("ba7816bf8f01cfea414140de5dae2223"));
        assert_eq!(Hex(&md5).to_string(), "900150983cd24fb0d6963f7d28e17f72");
    }
}
