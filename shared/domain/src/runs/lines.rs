//! A run's lines, in deflated chunks: a line is about 900 bytes of JSON that repeats its names, so that a hundred
//! lines are a few kilobytes and one write.
//!
//! A chunk holds consecutive lines of one hundred (1–100, 101–200 …), or an aligned half, quarter … of it where the
//! whole would be too large, and its number says where it begins. So storing again, at whatever point it breaks off,
//! never leaves a line of the run without a chunk; where two chunks hold the same line, the later generation's counts.

use super::{Run, RunLine};
use crate::actor::Scope;
use crate::ids::{ConnectionId, PartnerId, RunId};
use crate::ports::{Ports, Read, StorageError};
use crate::problem::Result;
use crate::records::{Collection, Expect, Key, Record, Versioned, Write, load_all};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

/// Most lines of a chunk: a page of the report is one or two chunks.
pub const CHUNK_LINES_MAX: usize = 100;
/// Largest chunk in bytes, as stored: far from DynamoDB's 400 KB, and a whole transaction of them stays below its 4 MB.
pub const CHUNK_BYTES_MAX: usize = 64 * 1024;
/// Chunks of one transaction: 40 × 64 KB, below the 4 MB of a transaction and the 100 records. A run of 4,000 lines
/// is stored all at once.
const CHUNKS_AT_ONCE: usize = 40;
/// Most bytes that a chunk may inflate to: a hundred lines of the longest texts in the widest characters are under
/// 1 MB. Guards against a record that is not ours.
const INFLATED_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Some lines of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Chunk {
    partner: PartnerId,
    connection: ConnectionId,
    run: RunId,
    /// Position of its first line, from 0: also its number.
    n: u32,
    /// How often the run's lines were stored when this was written.
    generation: u32,
    /// How many lines the run had then.
    of: u32,
    /// Base64 of the deflated JSON array.
    data: String,
    expires: Option<Timestamp>,
}

impl Record for Chunk {
    const ENTITY: &'static str = "run_chunk";
    fn key(&self) -> Key {
        Key::RunChunk(self.partner.clone(), self.connection.clone(), self.run.clone(), self.n)
    }
    fn expires(&self) -> Option<Timestamp> {
        self.expires
    }
}

/// Stores all lines of a run, in the order given, over those that were stored before. Their numbers must be 1, 2, 3 …
/// Returns the number of chunks, for [`Run::chunks`]. Doing it twice writes what differs.
///
/// # Errors
/// Storage. Lines are then partly as before and partly as given; none is missing.
pub async fn store_lines(ports: &Ports, scope: &Scope, run: &Run, lines: &[RunLine]) -> Result<u32> {
    let (writes, chunks) = writes_of(ports, scope, run, lines).await?;
    for some in writes.chunks(CHUNKS_AT_ONCE) {
        ports.storage.write(scope, some.to_vec()).await?;
    }
    Ok(chunks)
}

/// What [`store_lines`] writes, for a transaction of the caller's own, and the number of chunks: only chunks that
/// differ from what is stored.
///
/// # Errors
/// Storage.
pub(super) async fn writes_of(ports: &Ports, scope: &Scope, run: &Run, lines: &[RunLine]) -> Result<(Vec<Write>, u32)> {
    debug_assert!(lines.iter().zip(1..).all(|(line, no)| line.no == no), "lines are numbered in order from 1");
    let before = chunks_of(ports, scope, (&run.partner, &run.connection, &run.id)).await?;
    let before: BTreeMap<u32, Chunk> = before.into_iter().map(|chunk| (chunk.n, chunk)).collect();
    let generation = before.values().map(|chunk| chunk.generation).max().unwrap_or(0) + 1;
    let mut pieces = Vec::new();
    for (at, hundred) in lines.chunks(CHUNK_LINES_MAX).enumerate() {
        split(hundred, at * CHUNK_LINES_MAX, CHUNK_LINES_MAX, &mut pieces)?;
    }
    let of = count(lines.len());
    let chunk = |(at, data): &(usize, String)| Chunk {
        partner: run.partner.clone(),
        connection: run.connection.clone(),
        run: run.id.clone(),
        n: count(*at),
        generation,
        of,
        data: data.clone(),
        expires: run.expires(),
    };
    let chunks: Vec<Chunk> = pieces.iter().map(chunk).collect();
    Ok((writes(run, &before, &chunks)?, count(chunks.len())))
}

/// Loads all lines of a run in their order; none for a run that has stored none.
///
/// # Errors
/// Storage, a chunk that cannot be read included.
pub async fn load_lines(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
    run: &RunId,
) -> Result<Vec<RunLine>> {
    let mut chunks = chunks_of(ports, scope, (partner, connection, run)).await?;
    chunks.sort_by_key(|chunk| chunk.generation);
    let of = chunks.last().map_or(0, |newest| newest.of);
    let mut lines = BTreeMap::new();
    for chunk in &chunks {
        lines.extend(inflate(chunk)?.into_iter().map(|line| (line.no, line)));
    }
    Ok(lines.into_values().filter(|line| line.no <= of).collect())
}

/// Back to front, so that a chunk that becomes shorter is replaced after what it no longer holds is stored; what is
/// left over goes last.
fn writes(run: &Run, before: &BTreeMap<u32, Chunk>, chunks: &[Chunk]) -> Result<Vec<Write>, StorageError> {
    let same =
        |chunk: &&Chunk| before.get(&chunk.n).is_some_and(|there| there.data == chunk.data && there.of == chunk.of);
    let mut writes = Vec::new();
    for chunk in chunks.iter().rev().filter(|chunk| !same(chunk)) {
        writes.push(Write::put(chunk, Expect::Any)?);
    }
    for n in before.keys().filter(|n| chunks.iter().all(|chunk| chunk.n != **n)) {
        let key = Key::RunChunk(run.partner.clone(), run.connection.clone(), run.id.clone(), *n);
        writes.push(Write::delete(key, Expect::Any));
    }
    Ok(writes)
}

async fn chunks_of(
    ports: &Ports,
    scope: &Scope,
    (partner, connection, run): (&PartnerId, &ConnectionId, &RunId),
) -> Result<Vec<Chunk>, StorageError> {
    let of = Collection::RunChunks(partner.clone(), connection.clone(), run.clone());
    let all: Vec<Versioned<Chunk>> = load_all(&*ports.storage, scope, &of, Read::Strong).await?;
    Ok(all.into_iter().map(|chunk| chunk.value).collect())
}

/// Puts lines that begin at `at` into pieces of at most [`CHUNK_BYTES_MAX`]; `span` is the aligned length that they
/// may fill. One line alone is always taken: its texts are bounded.
fn split(lines: &[RunLine], at: usize, span: usize, pieces: &mut Vec<(usize, String)>) -> Result<(), StorageError> {
    let data = deflate(lines)?;
    let half = span / 2;
    if data.len() <= CHUNK_BYTES_MAX || span <= 1 {
        pieces.push((at, data));
        return Ok(());
    }
    let (first, second) = lines.split_at(half.min(lines.len()));
    split(first, at, half, pieces)?;
    if second.is_empty() { Ok(()) } else { split(second, at + half, span - half, pieces) }
}

fn deflate(lines: &[RunLine]) -> Result<String, StorageError> {
    let json = serde_json::to_vec(lines).map_err(malformed)?;
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&json).map_err(malformed)?;
    Ok(BASE64_STANDARD.encode(encoder.finish().map_err(malformed)?))
}

fn inflate(chunk: &Chunk) -> Result<Vec<RunLine>, StorageError> {
    let bytes = BASE64_STANDARD.decode(&chunk.data).map_err(malformed)?;
    let mut json = Vec::new();
    DeflateDecoder::new(bytes.as_slice()).take(INFLATED_BYTES_MAX).read_to_end(&mut json).map_err(malformed)?;
    serde_json::from_slice(&json).map_err(malformed)
}

fn malformed(source: impl std::error::Error + Send + Sync + 'static) -> StorageError {
    StorageError::Corrupt { key: Chunk::ENTITY.to_owned(), source: Box::new(source) }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AccountId, LineRef, PackageId};
    use crate::runs::LineState;

    fn line(no: u32, words: &str) -> RunLine {
        RunLine {
            no,
            account: AccountId::new(format!("acc_{no}")).unwrap(),
            account_name: "Umbrella".to_owned(),
            company_id: Some(i64::from(no)),
            company_name: Some("Umbrella Corporation".to_owned()),
            contract_id: Some(7),
            contract_name: None,
            package: PackageId::new("training").unwrap(),
            kind: crate::ids::LineKind::Service,
            service_id: i64::from(no),
            line: Some(LineRef::service(i64::from(no))),
            leaving: false,
            created: false,
            reckoning: None,
            decision: None,
            service_name: "Training".to_owned(),
            units_now: Some(3),
            count: Some(4),
            count_as_of: None,
            units_wanted: Some(4),
            cost_now: None,
            cost_wanted: Some("1.750".parse().unwrap()),
            invoice_change: None,
            effective_date: "2026-12-01".parse().unwrap(),
            period_billed: false,
            drift_from: None,
            state: LineState::Changed,
            code: None,
            words: words.to_owned(),
            sent: None,
            verified_units: None,
            adjustment_id: None,
        }
    }

    /// Text that does not deflate.
    fn noise(seed: u32, chars: usize) -> String {
        let mut x = seed.wrapping_mul(2_654_435_761).max(1);
        let next = |_| {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            char::from_u32(0x4E00 + x % 0x5000).unwrap()
        };
        (0..chars).map(next).collect()
    }

    fn pieces(lines: &[RunLine]) -> Vec<(usize, String)> {
        let mut pieces = Vec::new();
        split(lines, 0, CHUNK_LINES_MAX, &mut pieces).unwrap();
        pieces
    }

    #[test]
    fn a_hundred_usual_lines_are_one_small_chunk() {
        let lines: Vec<RunLine> = (1..=100).map(|no| line(no, "Units go from 3 to 4.")).collect();
        let pieces = pieces(&lines);
        assert_eq!(pieces.len(), 1);
        assert!(pieces[0].1.len() < 8 * 1024, "{} bytes", pieces[0].1.len());
    }

    #[test]
    fn lines_too_large_for_one_chunk_are_cut_at_the_same_places_however_many_there_are() {
        let lines: Vec<RunLine> = (1..=100).map(|no| line(no, &noise(no, 500))).collect();
        let all = pieces(&lines);
        assert!(all.len() > 1 && all.iter().all(|(_, data)| data.len() <= CHUNK_BYTES_MAX));
        let starts: Vec<usize> = all.iter().map(|(at, _)| *at).collect();
        let fewer = pieces(&lines[..60]);
        assert!(fewer.iter().all(|(at, _)| starts.contains(at) || *at % 25 == 0), "{starts:?}");
        let read: Vec<RunLine> = all
            .iter()
            .flat_map(|(at, data)| {
                let chunk = Chunk {
                    partner: crate::PartnerId::new("acme").unwrap(),
                    connection: ConnectionId::new("con_1").unwrap(),
                    run: RunId::new("r").unwrap(),
                    n: count(*at),
                    generation: 1,
                    of: 100,
                    data: data.clone(),
                    expires: None,
                };
                inflate(&chunk).unwrap()
            })
            .collect();
        assert_eq!(read, lines);
    }
}
