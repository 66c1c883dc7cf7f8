//! State on disk: a journal of JSON lines, written before an answer is given.
//!
//! Each request's changes are one line, so that a line that a kill tore is a request that never
//! happened. At the start the journal is read and written anew in its shortest form.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::callouts::Callout;
use crate::faults::ActiveFault;
use crate::schema::catalogue;
use crate::state::{AppliedAdjustment, Db, LateRequest, LoggedRequest, Meta, State, kept};
use crate::switches::Switches;
use crate::table::Row;

const FILE: &str = "simulator.jsonl";
const DRAFT: &str = "simulator.jsonl.new";

/// One change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    Database(Box<Meta>),
    Put(u64, String, Map<String, Value>),
    Remove(u64, String, i64),
    NextId(u64, String, i64),
    Switches(Switches),
    Faults(Vec<ActiveFault>),
    NextFault(u64),
    Request(Box<LoggedRequest>),
    ClearRequests(u64),
    Adjustment(Box<AppliedAdjustment>),
    Late(Vec<LateRequest>),
    Callout(Box<Callout>),
    /// What was over is forgotten; the last number given out.
    ForgetCallouts(u64),
}

/// Changes of the request at hand, and the file they go to.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    file: Option<File>,
    pending: Vec<Record>,
}

impl Journal {
    /// Notes a change; without a folder nothing is kept and `record` is not called.
    pub(crate) fn record(&mut self, record: impl FnOnce() -> Record) {
        if self.file.is_some() {
            self.pending.push(record());
        }
    }

    /// Writes what was noted as one line. Survives the process, not the machine: no fsync.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut line = serde_json::to_vec(&self.pending)?;
        line.push(b'\n');
        file.write_all(&line)?;
        self.pending.clear();
        Ok(())
    }
}

/// The state that lies in `folder`; an empty one where there is none.
pub(crate) fn open(folder: &Path) -> io::Result<State> {
    std::fs::create_dir_all(folder)?;
    let mut state = State::default();
    match File::open(folder.join(FILE)) {
        Ok(file) => read(&mut state, file)?,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {}
        Err(other) => return Err(other),
    }
    write(&state, &folder.join(DRAFT))?;
    std::fs::rename(folder.join(DRAFT), folder.join(FILE))?;
    state.journal.file = Some(OpenOptions::new().append(true).open(folder.join(FILE))?);
    Ok(state)
}

fn read(state: &mut State, file: File) -> io::Result<()> {
    let mut lines = BufReader::new(file).split(b'\n').peekable();
    while let Some(line) = lines.next() {
        match serde_json::from_slice::<Vec<Record>>(&line?) {
            Ok(records) => records.into_iter().for_each(|record| restore(state, record)),
            // Only the last line can be torn: every other one ended before the next began.
            Err(_) if lines.peek().is_none() => {}
            Err(broken) => return Err(io::Error::new(io::ErrorKind::InvalidData, broken)),
        }
    }
    Ok(())
}

fn restore(state: &mut State, record: Record) {
    match record {
        Record::Database(meta) => match state.database(meta.ci) {
            Some(index) => state.databases[index].meta = *meta,
            None => state.databases.push(Db::new(*meta)),
        },
        Record::Put(ci, plural, object) => restore_row(state, ci, &plural, &object),
        Record::Remove(ci, plural, id) => {
            if let (Some(index), Some(entity)) = (state.database(ci), catalogue().entity(&plural)) {
                state.databases[index].tables[entity.id].remove(id);
            }
        }
        Record::NextId(ci, plural, next) => {
            if let (Some(index), Some(entity)) = (state.database(ci), catalogue().entity(&plural)) {
                let table = &mut state.databases[index].tables[entity.id];
                table.next_id = table.next_id.max(next);
            }
        }
        Record::Switches(switches) => state.switches = switches,
        Record::Faults(faults) => state.faults = faults,
        Record::NextFault(next) => state.next_fault = state.next_fault.max(next),
        Record::Request(request) => {
            state.next_seq = state.next_seq.max(request.seq);
            if let Some(index) = request.database.and_then(|ci| state.database(ci)) {
                state.databases[index].usage.count(request.at);
            }
            state.log.push(*request);
        }
        Record::ClearRequests(seq) => {
            state.next_seq = state.next_seq.max(seq);
            state.log.clear();
        }
        Record::Adjustment(adjustment) => {
            restore_adjustment_id(state, &adjustment);
            state.adjustments.push(*adjustment);
        }
        Record::Late(late) => state.late = late,
        Record::Callout(callout) => state.callouts.keep(*callout),
        Record::ForgetCallouts(last) => state.callouts.forget(last),
    }
    let highest = state.faults.iter().map(|fault| fault.id).max().unwrap_or(0);
    state.next_fault = state.next_fault.max(highest);
}

fn restore_row(state: &mut State, ci: u64, plural: &str, object: &Map<String, Value>) {
    let (Some(index), Some(entity)) = (state.database(ci), catalogue().entity(plural)) else {
        return;
    };
    let mut row = Row::empty(entity);
    if row.merge(entity, object).is_ok() {
        let _before = state.databases[index].tables[entity.id].put(entity, row);
    }
}

/// Adjustments have ids but no rows.
fn restore_adjustment_id(state: &mut State, adjustment: &AppliedAdjustment) {
    let plural = match adjustment.kind.as_str() {
        "bundle" => "ContractServiceBundleAdjustments",
        _ => "ContractServiceAdjustments",
    };
    if let Some(index) = state.database(adjustment.ci) {
        let table = &mut state.databases[index].tables[catalogue().known(plural).id];
        table.next_id = table.next_id.max(adjustment.item_id + 1);
    }
}

fn write(state: &State, path: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut line = |record: Record| -> io::Result<()> {
        serde_json::to_writer(&mut file, &[record])?;
        file.write_all(b"\n")
    };
    for db in &state.databases {
        let ci = db.meta.ci;
        line(Record::Database(Box::new(db.meta.clone())))?;
        for (entity, table) in catalogue().entities.iter().zip(&db.tables) {
            for row in table.rows.values() {
                line(Record::Put(ci, entity.def.plural.to_owned(), kept(entity, row)))?;
            }
            line(Record::NextId(ci, entity.def.plural.to_owned(), table.next_id))?;
        }
    }
    line(Record::Switches(state.switches.clone()))?;
    line(Record::NextFault(state.next_fault))?;
    line(Record::Faults(state.faults.clone()))?;
    line(Record::ClearRequests(state.next_seq))?;
    for request in &state.log {
        line(Record::Request(Box::new(request.clone())))?;
    }
    for adjustment in &state.adjustments {
        line(Record::Adjustment(Box::new(adjustment.clone())))?;
    }
    line(Record::Late(state.late.clone()))?;
    line(Record::ForgetCallouts(state.callouts.last()))?;
    for callout in state.callouts.all() {
        line(Record::Callout(Box::new(callout)))?;
    }
    file.flush()
}
