//! Secrets: tokens, sessions and the codes of login links. 256 random bits each; what is kept is a hash.

use std::time::{Duration, Instant};

use anyhow::Context as _;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of the part that may be shown.
const PUBLIC_CHARS: usize = 8;
/// Characters of the part that may not: 260 bits.
const SECRET_CHARS: usize = 52;
/// How long a link is good.
const CODE_LIFE: Duration = Duration::from_secs(15 * 60);

/// A token or session about to be entered.
pub(crate) struct NewSecret {
    /// The part that may be shown.
    pub(crate) id: String,
    /// The whole.
    pub(crate) secret: String,
    /// What is kept of it.
    pub(crate) hash: [u8; 32],
}

fn random(chars: usize) -> anyhow::Result<String> {
    let mut bytes = vec![0; chars];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}

impl NewSecret {
    pub(crate) fn token() -> anyhow::Result<Self> {
        Self::new("mt")
    }

    pub(crate) fn session() -> anyhow::Result<Self> {
        Self::new("ms")
    }

    fn new(kind: &str) -> anyhow::Result<Self> {
        let id = format!("{kind}_{}", random(PUBLIC_CHARS)?);
        let secret = format!("{id}_{}", random(SECRET_CHARS)?);
        let hash = hash(&secret);
        Ok(Self { id, secret, hash })
    }
}

/// Whether it is the name of a session.
pub(super) fn is_session(id: &str) -> bool {
    id.starts_with("ms_")
}

/// The part of a token that may be shown, where it looks like one.
pub(super) fn public_part(secret: &str) -> Option<&str> {
    let ours = |byte: u8| ALPHABET.contains(&byte);
    let rest = secret.strip_prefix("mt_").or_else(|| secret.strip_prefix("ms_"))?;
    let (public, hidden) = rest.split_once('_')?;
    let fits = public.len() == PUBLIC_CHARS && hidden.len() == SECRET_CHARS;
    (fits && public.bytes().chain(hidden.bytes()).all(ours)).then(|| &secret[..3 + PUBLIC_CHARS])
}

pub(super) fn hash(secret: &str) -> [u8; 32] {
    *blake3::hash(secret.as_bytes()).as_bytes()
}

/// The code of a link, good once.
#[derive(Debug)]
pub(super) struct Code {
    hash: blake3::Hash,
    until: Instant,
}

impl Code {
    pub(super) fn new() -> anyhow::Result<(Self, String)> {
        let secret = random(SECRET_CHARS)?;
        let hash = blake3::hash(secret.as_bytes());
        Ok((Self { hash, until: Instant::now() + CODE_LIFE }, secret))
    }

    pub(super) fn is(&self, secret: &str) -> bool {
        // Equality of hashes takes the same time wherever they differ.
        self.hash == blake3::hash(secret.as_bytes()) && Instant::now() < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_recognised_by_their_shape_and_differ() {
        let (a, b) = (NewSecret::token().unwrap(), NewSecret::token().unwrap());
        assert_ne!(a.secret, b.secret);
        assert_eq!(public_part(&a.secret), Some(a.id.as_str()));
        for bad in
            ["", "mt_", "mt_abcdefgh", "mt_abcdefgh_x", &a.secret[1..], &format!("{}é", a.secret)]
        {
            assert_eq!(public_part(bad), None, "{bad}");
        }
    }
}
