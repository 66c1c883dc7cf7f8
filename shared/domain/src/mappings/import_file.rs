//! An import's file, kept in deflated parts beside its run until a worker takes it up.

use super::context::Context;
use crate::ids::{ConnectionId, PartnerId, RunId};
use crate::problem::{Code, Error, Problem, Result};
use crate::records::{Key, Record, Write, load};
use crate::runs::Run;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{Read as _, Write as _};

/// Bytes of a file's part before it is deflated: even if it cannot be, its record stays below DynamoDB's 400 KB.
const PART_BYTES: usize = 256 * 1024;

/// How many parts a file has.
pub(super) fn parts(text: &str) -> usize {
    text.len().div_ceil(PART_BYTES)
}

/// What keeps a run's file, as long as the run.
pub(super) fn writes(run: &Run, text: &str) -> Result<Vec<Write>> {
    let mut writes = Vec::new();
    for (n, bytes) in (0..).zip(text.as_bytes().chunks(PART_BYTES)) {
        let part = Part {
            partner: run.partner.clone(),
            connection: run.connection.clone(),
            run: run.id.clone(),
            n,
            data: deflated(bytes).map_err(|error| Error::problem(Code::Internal, error.to_string()))?,
            expires: run.expires(),
        };
        writes.push(Write::create(&part)?);
    }
    Ok(writes)
}

/// The file of a run, put together again.
pub(super) async fn stored(context: Context<'_>, run: &Run) -> Result<String> {
    let parts =
        run.outcome.get("parts").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
    let mut bytes = Vec::new();
    for n in 0..parts {
        let key = Key::RunInput(run.partner.clone(), run.connection.clone(), run.id.clone(), n);
        let part = load::<Part>(&*context.ports.storage, context.scope, &key).await?;
        let part = part.ok_or_else(|| Problem::new(Code::Internal, "A part of the file is gone."))?;
        inflate(&part.data, &mut bytes)
            .ok_or_else(|| Problem::new(Code::Internal, "A part of the file is damaged."))?;
    }
    String::from_utf8(bytes).map_err(|_| Problem::new(Code::Internal, "The stored file is damaged.").into())
}

/// A part of an import's file.
#[derive(Debug, Serialize, Deserialize)]
struct Part {
    partner: PartnerId,
    connection: ConnectionId,
    run: RunId,
    n: u32,
    /// Base64 of the deflated bytes.
    data: String,
    expires: Option<Timestamp>,
}

impl Record for Part {
    const ENTITY: &'static str = "import_part";
    fn key(&self) -> Key {
        Key::RunInput(self.partner.clone(), self.connection.clone(), self.run.clone(), self.n)
    }
    fn expires(&self) -> Option<Timestamp> {
        self.expires
    }
}

fn deflated(bytes: &[u8]) -> std::io::Result<String> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    Ok(BASE64_STANDARD.encode(encoder.finish()?))
}

fn inflate(data: &str, into: &mut Vec<u8>) -> Option<()> {
    let bytes = BASE64_STANDARD.decode(data).ok()?;
    let limit = u64::try_from(PART_BYTES).unwrap_or(u64::MAX);
    DeflateDecoder::new(bytes.as_slice()).take(limit).read_to_end(into).ok().map(|_| ())
}
