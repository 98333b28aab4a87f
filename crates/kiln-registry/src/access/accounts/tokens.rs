//! Tokens of users: personal ones, which they make for their programs, and refresh tokens, which `docker login`
//! keeps in place of the password.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::super::caller::{Ceiling, TokenRecord};
use super::super::error::{AccessError, Thing, check_description};
use super::super::secret::{Secret, SecretKind, random_letters};
use super::{By, Page, must_be, one_more};
use crate::database::{DatabaseError, Row, Transaction};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// Made by the user for programs.
    Personal,
    /// Kept by `docker login` and the like.
    Refresh,
}

/// A token without its secret, which nobody has but who got it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// What it is called by.
    #[schema(example = "k3vq7a2mzx")]
    pub id: String,
    /// What it is.
    pub kind: TokenKind,
    /// What it is for, in its maker's words; for a login, the client's name.
    pub description: String,
    /// The most that it may do.
    pub ceiling: Ceiling,
    /// When it was made, in milliseconds since 1970.
    pub created: i64,
    /// When it ends, if it does by itself.
    pub expires: Option<i64>,
    /// When it was last used, to the minute; absent if never.
    pub used: Option<i64>,
}

/// A token that shall be made.
#[derive(Debug, Clone)]
pub(crate) struct NewToken {
    pub(crate) kind: SecretKind,
    pub(crate) description: String,
    pub(crate) ceiling: Ceiling,
    pub(crate) expires: Option<i64>,
}

/// Tokens that one user can have. Who logs in at many machines has many refresh tokens: of those the oldest
/// goes when a new one comes.
const TOKENS_MOST: i64 = 100;

const COLUMNS: &str = "id, kind, description, ceiling, created, expires, used";

fn token(row: &Row) -> Result<Token, AccessError> {
    Ok(Token {
        id: row.get(0)?,
        kind: match kind(&row.get::<String>(1)?) {
            SecretKind::Refresh => TokenKind::Refresh,
            SecretKind::Personal | SecretKind::Robot => TokenKind::Personal,
        },
        description: row.get(2)?,
        ceiling: Ceiling::parse(&row.get::<String>(3)?),
        created: row.get(4)?,
        expires: row.get(5)?,
        used: row.get(6)?,
    })
}

fn kind(word: &str) -> SecretKind {
    match word {
        "refresh" => SecretKind::Refresh,
        _ => SecretKind::Personal,
    }
}

fn kind_name(kind: SecretKind) -> &'static str {
    match kind {
        SecretKind::Refresh => "refresh",
        SecretKind::Personal | SecretKind::Robot => "personal",
    }
}

pub(crate) fn record(
    transaction: &mut dyn Transaction,
    id: &str,
) -> Result<Option<TokenRecord>, AccessError> {
    one(transaction, "id", id)
}

pub(crate) fn by_secret(
    transaction: &mut dyn Transaction,
    fingerprint: &str,
) -> Result<Option<TokenRecord>, AccessError> {
    one(transaction, "secret", fingerprint)
}

fn one(
    transaction: &mut dyn Transaction,
    column: &str,
    value: &str,
) -> Result<Option<TokenRecord>, AccessError> {
    let sql =
        format!("SELECT id, owner, kind, ceiling, expires FROM account_token WHERE {column} = $1");
    let Some(row) = transaction.first(&sql, &[value.into()])? else {
        return Ok(None);
    };
    Ok(Some(TokenRecord {
        id: row.get(0)?,
        owner: row.get(1)?,
        kind: kind(&row.get::<String>(2)?),
        ceiling: Ceiling::parse(&row.get::<String>(3)?),
        expires: row.get(4)?,
    }))
}

pub(crate) fn list(
    transaction: &mut dyn Transaction,
    owner: &str,
    limit: usize,
    after: &str,
) -> Result<Page<Token>, AccessError> {
    let rows = transaction.query(
        &format!(
            "SELECT {COLUMNS} FROM account_token WHERE owner = $1 AND id > $2 ORDER BY id LIMIT $3"
        ),
        &[owner.into(), after.into(), one_more(limit).into()],
    )?;
    Page::of(&rows, limit, token, |token| &token.id)
}

/// Makes a token; the secret is to be shown once.
pub(crate) fn create(
    transaction: &mut dyn Transaction,
    owner: &str,
    new: &NewToken,
    by: &By,
) -> Result<(Token, Secret), AccessError> {
    check_description(&new.description)?;
    if new.expires.is_some_and(|expires| expires <= by.now) {
        return Err(AccessError::ExpiryInThePast);
    }
    make_room(transaction, owner, new.kind)?;
    let (id, secret) = (random_letters::<10>()?, Secret::generate(new.kind)?);
    transaction.execute(
        "INSERT INTO account_token (id, owner, kind, description, secret, ceiling, created, expires) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            (&id).into(),
            owner.into(),
            kind_name(new.kind).into(),
            (&new.description).into(),
            secret.fingerprint().into(),
            new.ceiling.name().into(),
            by.now.into(),
            new.expires.into(),
        ],
    )?;
    let detail = [
        ("owner", json!(owner)),
        ("kind", json!(kind_name(new.kind))),
        ("ceiling", json!(new.ceiling)),
        ("expires", json!(new.expires)),
    ];
    by.did(transaction, "create-token", None, &id, &detail)?;
    let row = transaction.first(
        &format!("SELECT {COLUMNS} FROM account_token WHERE id = $1"),
        &[(&id).into()],
    )?;
    let made = token(&row.ok_or_else(|| super::unknown(Thing::Token, &id))?)?;
    Ok((made, secret))
}

fn make_room(
    transaction: &mut dyn Transaction,
    owner: &str,
    kind: SecretKind,
) -> Result<(), AccessError> {
    let kind = kind_name(kind);
    let count = transaction.first(
        "SELECT COUNT(*) FROM account_token WHERE owner = $1 AND kind = $2",
        &[owner.into(), kind.into()],
    )?;
    let count: i64 = count.map_or(Ok(0), |row| row.get(0))?;
    if count < TOKENS_MOST {
        return Ok(());
    }
    if kind == "personal" {
        return Err(AccessError::TooManyTokens {
            owner: owner.to_owned(),
            most: TOKENS_MOST,
        });
    }
    transaction.execute(
        "DELETE FROM account_token WHERE id IN (SELECT id FROM account_token WHERE owner = $1 AND kind = $2 \
         ORDER BY created, id LIMIT $3)",
        &[owner.into(), kind.into(), (count - TOKENS_MOST + 1).into()],
    )?;
    Ok(())
}

pub(crate) fn end(
    transaction: &mut dyn Transaction,
    owner: &str,
    id: &str,
    by: &By,
) -> Result<(), AccessError> {
    let gone = transaction.execute(
        "DELETE FROM account_token WHERE owner = $1 AND id = $2",
        &[owner.into(), id.into()],
    )?;
    must_be(gone, Thing::Token, id)?;
    by.did(
        transaction,
        "end-token",
        None,
        id,
        &[("owner", json!(owner))],
    )
}

/// Drops tokens that ended by themselves before `before`, at most a thousand.
pub(crate) fn forget_expired(
    transaction: &mut dyn Transaction,
    before: i64,
) -> Result<u64, DatabaseError> {
    transaction.execute(
        "DELETE FROM account_token WHERE id IN (SELECT id FROM account_token WHERE expires < $1 LIMIT 1000)",
        &[before.into()],
    )
}
