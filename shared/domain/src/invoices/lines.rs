//! An invoice's lines, in deflated chunks. A set of lines is named by its digest and never changed: chunks are written
//! first, then the invoice that names them.

use super::record::{Invoice, InvoiceLine, LinesChunk, LinesRef};
use crate::actor::Scope;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{Ports, StorageError};
use crate::problem::Result;
use crate::records::{Expect, Key, Write, load};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use sha2::{Digest, Sha256};
use std::io::{Read as _, Write as _};

/// Most lines of a chunk: most invoices are one chunk, and a page of lines is one or two.
pub const CHUNK_LINES_MAX: usize = 100;
/// Chunks of one transaction: a chunk of a hundred lines of the longest texts is under 40 KB deflated, so that they stay
/// below the 4 MB of a transaction.
const CHUNKS_AT_ONCE: usize = 40;
/// Most bytes that a chunk may inflate to. Guards against a record that is not ours.
const INFLATED_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Characters of a set's name: 128 bits of its digest.
const SET_CHARS: usize = 32;

/// Lines that are ready to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct LineSet {
    /// What the invoice says of them.
    pub of: LinesRef,
    chunks: Vec<String>,
}

/// Makes a set of lines; in Autotask's order (`sortOrderID`, then id).
///
/// # Errors
/// None that well-formed lines have.
pub fn set_of(mut lines: Vec<InvoiceLine>) -> Result<LineSet> {
    lines.sort_by_key(|line| (line.order.unwrap_or(i64::MAX), line.id));
    let mut digest = Sha256::new();
    let mut chunks = Vec::new();
    for some in lines.chunks(CHUNK_LINES_MAX) {
        let json = serde_json::to_vec(some).map_err(|error| corrupt("invoice_lines", error))?;
        digest.update(&json);
        chunks.push(deflated(&json).map_err(|error| corrupt("invoice_lines", error))?);
    }
    let set: String = super::hex(&digest.finalize()).chars().take(SET_CHARS).collect();
    let of = LinesRef {
        set,
        count: u32::try_from(lines.len()).unwrap_or(u32::MAX),
        chunks: u32::try_from(chunks.len()).unwrap_or(u32::MAX),
        amount: lines.iter().map(|line| line.amount).sum(),
        tax: lines.iter().map(|line| line.tax).sum(),
    };
    Ok(LineSet { of, chunks })
}

/// Writes the chunks of several invoices' sets. Doing it twice writes the same again.
///
/// # Errors
/// Storage.
pub async fn store_sets<'a>(
    ports: &Ports,
    scope: &Scope,
    of: (&PartnerId, &ConnectionId),
    sets: impl Iterator<Item = (i64, &'a LineSet)>,
) -> Result<()> {
    let (partner, connection) = of;
    let mut writes = Vec::new();
    for (invoice, set) in sets {
        for (lines, number) in set.chunks.iter().zip(0_u32..) {
            let (partner, connection, set) = (partner.clone(), connection.clone(), set.of.set.clone());
            let chunk = LinesChunk { partner, connection, invoice, set, number, lines: lines.clone() };
            writes.push(Write::put(&chunk, Expect::Any)?);
        }
    }
    for some in writes.chunks(CHUNKS_AT_ONCE) {
        ports.storage.write(scope, some.to_vec()).await?;
    }
    Ok(())
}

/// Drops a set that no invoice names any more. What is left where this breaks off is never read.
///
/// # Errors
/// Storage.
pub async fn drop_set(
    ports: &Ports,
    scope: &Scope,
    of: (&PartnerId, &ConnectionId, i64),
    lines: &LinesRef,
) -> Result<()> {
    let (partner, connection, invoice) = of;
    for number in 0..lines.chunks {
        let key = Key::InvoiceLines(partner.clone(), connection.clone(), invoice, lines.set.clone(), number);
        ports.storage.write(scope, vec![Write::delete(key, Expect::Any)]).await?;
    }
    Ok(())
}

/// Lines of an invoice from a position on (from 0), at most so many, in their order.
///
/// # Errors
/// Storage; a chunk that is not there is a malformed record.
pub async fn load_lines(
    ports: &Ports,
    scope: &Scope,
    invoice: &Invoice,
    from: usize,
    limit: usize,
) -> Result<Vec<InvoiceLine>> {
    let mut found = Vec::new();
    let first = u32::try_from(from / CHUNK_LINES_MAX).unwrap_or(u32::MAX);
    let mut skip = from % CHUNK_LINES_MAX;
    for number in first..invoice.lines.chunks {
        let (partner, connection) = (invoice.partner.clone(), invoice.connection.clone());
        let key = Key::InvoiceLines(partner, connection, invoice.id, invoice.lines.set.clone(), number);
        let Some(chunk) = load::<LinesChunk>(&*ports.storage, scope, &key).await? else {
            return Err(corrupt("invoice_lines", std::io::Error::from(std::io::ErrorKind::NotFound)).into());
        };
        found.extend(inflated(&chunk.lines)?.into_iter().skip(skip));
        skip = 0;
        if found.len() >= limit {
            found.truncate(limit);
            break;
        }
    }
    Ok(found)
}

fn deflated(json: &[u8]) -> std::io::Result<String> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(json)?;
    Ok(BASE64_STANDARD.encode(encoder.finish()?))
}

fn inflated(text: &str) -> Result<Vec<InvoiceLine>, StorageError> {
    let bytes = BASE64_STANDARD.decode(text).map_err(|error| corrupt("invoice_lines", error))?;
    let mut json = Vec::new();
    let mut decoder = DeflateDecoder::new(&bytes[..]).take(INFLATED_BYTES_MAX);
    decoder.read_to_end(&mut json).map_err(|error| corrupt("invoice_lines", error))?;
    serde_json::from_slice(&json).map_err(|error| corrupt("invoice_lines", error))
}

fn corrupt(key: &str, source: impl std::error::Error + Send + Sync + 'static) -> StorageError {
    StorageError::Corrupt { key: key.to_owned(), source: Box::new(source) }
}
