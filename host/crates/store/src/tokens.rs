//! Tokens and the sessions that they open: hashes, never the secrets. Who makes the secrets, and how they
//! look, is the host's business.

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;

use crate::error::{StoreError, Trouble};
use crate::open::{Store, now_ms};

/// Sessions of one tenant that are kept; more are of browsers that forgot theirs.
const SESSIONS_MAX: i64 = 200;
/// How often the last use of a token is written down.
const USE_NOTED_MS: u64 = 60_000;

const COLUMNS: &str =
    "SELECT id, tenant, label, session, admin, created_ms, expires_ms, revoked_ms,
    used_ms FROM token";

/// A token to be entered.
#[derive(Debug)]
pub struct NewToken<'a> {
    /// The part that may be shown.
    pub id: &'a str,
    /// BLAKE3 of the whole.
    pub hash: &'a [u8; 32],
    /// Whose.
    pub tenant: &'a str,
    /// What for, in words.
    pub label: &'a str,
    /// Whether it may administer.
    pub admin: bool,
    /// Milliseconds since 1970 from when it is no good.
    pub expires_ms: Option<u64>,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenRow {
    /// The part that may be shown.
    pub id: String,
    /// Whose.
    pub tenant: String,
    /// What for, in words.
    pub label: String,
    /// Whether it is the session of a browser.
    pub session: bool,
    /// Whether it may administer.
    pub admin: bool,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// From when it is no good.
    pub expires_ms: Option<u64>,
    /// Since when it is no good.
    pub revoked_ms: Option<u64>,
    /// When it was used last, to a minute.
    pub used_ms: Option<u64>,
}

/// What became of a token that somebody showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is good.
    Good(TokenRow),
    /// There is none of this name, or its secret is another.
    Unknown,
    /// It, or the one that opened the session, expired or was revoked.
    Ended,
}

impl Store {
    /// Enters a token of a tenant.
    pub fn add_token(&self, token: &NewToken<'_>) -> Result<(), StoreError> {
        self.tenant(token.tenant)?;
        self.write(|db| insert(db, token, None, false))
    }

    /// Enters the session of a browser, opened by another token where there is one.
    pub fn open_session(
        &self,
        token: &NewToken<'_>,
        parent: Option<&str>,
    ) -> Result<(), StoreError> {
        self.tenant(token.tenant)?;
        self.write(|db| {
            db.execute(
                "DELETE FROM token WHERE session = 1 AND (expires_ms < ?1 OR revoked_ms < ?1)",
                [now_ms().cast_signed()],
            )?;
            let surplus = "DELETE FROM token WHERE id IN (SELECT id FROM token
                WHERE session = 1 AND tenant = ?1 ORDER BY created_ms DESC LIMIT -1 OFFSET ?2)";
            db.execute(surplus, params![token.tenant, SESSIONS_MAX - 1])?;
            insert(db, token, parent, true)
        })
    }

    /// What a token is worth now. Its use is noted.
    pub fn judge_token(&self, id: &str, hash: &[u8; 32]) -> Result<Verdict, StoreError> {
        let now = now_ms();
        let found: Option<((Vec<u8>, bool), TokenRow)> = self.read(|db| {
            let first = standing(db, id, now)?;
            let query = format!("{COLUMNS} WHERE id = ?1");
            let row = db.prepare_cached(&query)?.query_row([id], token).optional()?;
            Ok(first.zip(row))
        })?;
        let Some(((kept, stands), row)) = found else { return Ok(Verdict::Unknown) };
        // Equality of these takes the same time wherever they differ.
        let same = <[u8; 32]>::try_from(kept)
            .is_ok_and(|kept| blake3::Hash::from_bytes(kept) == blake3::Hash::from_bytes(*hash));
        if !same {
            return Ok(Verdict::Unknown);
        }
        if !stands {
            return Ok(Verdict::Ended);
        }
        if row.used_ms.is_none_or(|used| used + USE_NOTED_MS < now) {
            let query = "UPDATE token SET used_ms = ?2 WHERE id = ?1";
            self.write(|db| Ok(db.execute(query, params![id, now.cast_signed()]).map(drop)?))?;
        }
        Ok(Verdict::Good(row))
    }

    /// Whether a token is there and good for anything still, and the one that opened it as well.
    pub fn token_stands(&self, id: &str) -> Result<bool, StoreError> {
        let found = self.read(|db| Ok(standing(db, id, now_ms())?))?;
        Ok(found.is_some_and(|(_, stands)| stands))
    }

    /// Tokens of a tenant, newest first.
    pub fn tokens(&self, tenant: &str) -> Result<Vec<TokenRow>, StoreError> {
        let query = format!("{COLUMNS} WHERE tenant = ?1 ORDER BY created_ms DESC, id");
        self.rows(&query, [tenant], token)
    }

    /// Makes a token of a tenant worthless, and the sessions that it opened.
    pub fn revoke_token(&self, tenant: &str, id: &str) -> Result<(), StoreError> {
        let query = "UPDATE token SET revoked_ms = coalesce(revoked_ms, ?3)
            WHERE id = ?1 AND tenant = ?2";
        let hint = "`mobula tenant show` lists those there are";
        self.write(|db| match db.execute(query, params![id, tenant, now_ms().cast_signed()])? {
            0 => Err(StoreError::NotFound { what: "token", id: id.to_owned(), hint }.into()),
            _ => Ok(()),
        })
    }
}

/// The hash of a token, and whether it and the one that opened it are good for anything still.
fn standing(db: &Connection, id: &str, now_ms: u64) -> rusqlite::Result<Option<(Vec<u8>, bool)>> {
    let query = "SELECT t.hash, t.revoked_ms IS NULL AND coalesce(t.expires_ms > ?2, 1)
            AND p.revoked_ms IS NULL AND coalesce(p.expires_ms > ?2, 1)
        FROM token t LEFT JOIN token p ON p.id = t.parent WHERE t.id = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    db.prepare_cached(query)?.query_row(params![id, now_ms.cast_signed()], read).optional()
}

fn insert(
    db: &Connection,
    new: &NewToken<'_>,
    parent: Option<&str>,
    session: bool,
) -> Result<(), Trouble> {
    let NewToken { id, hash, tenant, label, admin, expires_ms } = new;
    let query = "INSERT INTO token (id, tenant, label, session, parent, hash, admin, created_ms,
        expires_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let expires = expires_ms.map(u64::cast_signed);
    let now = now_ms().cast_signed();
    let values = params![id, tenant, label, session, parent, &hash[..], admin, now, expires];
    db.execute(query, values)?;
    Ok(())
}

fn token(row: &rusqlite::Row<'_>) -> rusqlite::Result<TokenRow> {
    let time = |at: usize| -> rusqlite::Result<Option<u64>> {
        Ok(row.get::<_, Option<i64>>(at)?.map(i64::cast_unsigned))
    };
    Ok(TokenRow {
        id: row.get(0)?,
        tenant: row.get(1)?,
        label: row.get(2)?,
        session: row.get(3)?,
        admin: row.get(4)?,
        created_ms: row.get::<_, i64>(5)?.cast_unsigned(),
        expires_ms: time(6)?,
        revoked_ms: time(7)?,
        used_ms: time(8)?,
    })
}
