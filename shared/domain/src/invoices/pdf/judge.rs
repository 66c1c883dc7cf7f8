//! What an answer means for an invoice's PDF, and when it is tried again. Pure.

use super::work::SIZE_MAX;
use crate::autotask_session::explain;
use crate::blobs::Sha256Sum;
use crate::budget::exhausted;
use crate::problem::{Code, Error};
use autotask::InvoicePdf as File;
use jiff::SignedDuration;
use std::time::Duration;

/// How long a PDF that is not there is left alone: as long as the fetching of invoices.
pub const RETRY_HOURLY: SignedDuration = SignedDuration::from_hours(1);
/// The same once it was tried for three days: somebody would have put it right by then.
pub const RETRY_DAILY: SignedDuration = SignedDuration::from_hours(24);
/// Tries, an hour apart, after which it is tried once a day.
pub const RETRY_DAILY_AFTER: u32 = 72;
/// How long the fetching of a connection pauses where nobody says for how long.
const PAUSE: Duration = Duration::from_secs(300);

/// When a PDF is tried again that was tried so often.
pub(super) fn retry_after(attempts: u32) -> SignedDuration {
    if attempts < RETRY_DAILY_AFTER { RETRY_HOURLY } else { RETRY_DAILY }
}

/// A file that is what it should be.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) sum: Sha256Sum,
    pub(super) bytes: Vec<u8>,
    pub(super) file_name: Option<String>,
}

/// Why there is no file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// This one cannot be had. `told` is false where it may be Autotask that is away, and not the file.
    Unavailable {
        /// In words.
        why: String,
        /// Whether Autotask answered.
        told: bool,
        /// How much may have come all the same, in bytes.
        moved: u64,
    },
    /// None can be had for a while.
    NotNow(Duration),
    /// The credentials were refused.
    Unauthorised,
    /// None can be had until a person acts.
    Stop(Code),
}

/// A file that came: is it a whole PDF?
pub(super) fn check(file: File) -> Result<Checked, Refused> {
    let size = u64::try_from(file.bytes.len()).unwrap_or(u64::MAX);
    if file.is_whole_pdf() {
        return Ok(Checked { sum: Sha256Sum::of(&file.bytes), bytes: file.bytes, file_name: file.file_name });
    }
    let why = match file.declared_size {
        Some(declared) if file.bytes.starts_with(b"%PDF-") => {
            format!("Autotask says that the file has {declared} bytes, and {size} came.")
        }
        _ => "What Autotask sent is no PDF.".to_owned(),
    };
    Err(Refused::Unavailable { why, told: true, moved: size })
}

/// No file came: why?
pub(super) fn refused(error: autotask::Error) -> Refused {
    use autotask::Error as E;
    if let Some(ours) = exhausted(&error) {
        return Refused::NotNow(ours.retry_after);
    }
    let (told, moved) = match &error {
        E::Unauthorised { .. } => return Refused::Unauthorised,
        E::OutOfBounds { .. } => {
            let why = format!("The file is larger than {SIZE_MAX} bytes.");
            return Refused::Unavailable { why, told: true, moved: SIZE_MAX };
        }
        // Something came that is no file; how much of it, nobody knows.
        E::Malformed { .. } => (true, SIZE_MAX),
        E::Unavailable { status: None, .. } => (false, SIZE_MAX),
        // A 500 is how Autotask says most things about a single request.
        E::Unavailable { status, .. } => (*status == Some(500), 0),
        E::NotSent { .. } => (false, 0),
        E::RateLimited { .. } | E::ThreadLimit { .. } => return not_now(explain(error)),
        E::Forbidden { .. } | E::NotFound { .. } | E::Rejected { .. } | E::UnknownOutcome { .. } => (true, 0),
    };
    match explain(error) {
        Error::Problem(problem) if problem.code == Code::IntegrationVendorMismatch => Refused::Stop(problem.code),
        Error::Problem(problem) => Refused::Unavailable { why: problem.detail, told, moved },
        _ => Refused::Unavailable { why: "Autotask's answer means nothing to us.".to_owned(), told, moved },
    }
}

fn not_now(error: Error) -> Refused {
    let seconds = match error {
        Error::Problem(problem) => problem.retry_after,
        _ => None,
    };
    Refused::NotNow(seconds.map_or(PAUSE, Duration::from_secs))
}

/// The same for a problem of the connection or of ours, met before or after the call.
pub(super) fn of_problem(code: Code, retry_after: Option<u64>) -> Refused {
    match code {
        Code::AutotaskUnavailable | Code::Throttled | Code::Unavailable | Code::SecretStoreUnavailable => {
            Refused::NotNow(retry_after.map_or(PAUSE, Duration::from_secs).max(PAUSE))
        }
        other => Refused::Stop(other),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use autotask::Error as E;

    fn file(bytes: &[u8], declared_size: Option<i64>) -> File {
        File { file_name: None, content_type: None, declared_size, bytes: bytes.to_vec() }
    }

    fn words(refused: &Refused) -> &str {
        match refused {
            Refused::Unavailable { why, .. } => why,
            _ => "",
        }
    }

    #[test]
    fn only_a_whole_pdf_passes() {
        assert_eq!(check(file(b"%PDF-1.7", Some(8))).unwrap().sum, Sha256Sum::of(b"%PDF-1.7"));
        assert!(check(file(b"%PDF-1.7", None)).is_ok());
        let short = check(file(b"%PDF-1.7", Some(9))).unwrap_err();
        assert_eq!(words(&short), "Autotask says that the file has 9 bytes, and 8 came.");
        for other in [&b"<html></html>"[..], b"%PDF", b""] {
            let refused = check(file(other, None)).unwrap_err();
            assert_eq!(words(&refused), "What Autotask sent is no PDF.");
        }
    }

    #[test]
    fn a_failure_is_the_files_the_connections_or_the_moments() {
        let texts = || vec!["boom".to_owned()];
        let of_file = [
            (E::NotFound { texts: texts() }, true, 0),
            (E::Rejected { status: 400, texts: texts() }, true, 0),
            (E::Forbidden { texts: texts() }, true, 0),
            (E::Unavailable { status: Some(500), texts: texts(), source: None }, true, 0),
            (E::Unavailable { status: Some(503), texts: texts(), source: None }, false, 0),
            (E::Unavailable { status: None, texts: Vec::new(), source: None }, false, SIZE_MAX),
            (E::Malformed { what: "it is a web page".to_owned(), source: None }, true, SIZE_MAX),
            (E::OutOfBounds { what: "too large".to_owned() }, true, SIZE_MAX),
        ];
        for (error, answered, bytes) in of_file {
            let shown = format!("{error:?}");
            match refused(error) {
                Refused::Unavailable { why, told, moved } => {
                    assert!(why.ends_with(['.', 'm']) && !why.is_empty(), "{shown}: {why}");
                    assert_eq!((told, moved), (answered, bytes), "{shown}");
                }
                other => panic!("{shown}: {other:?}"),
            }
        }
        assert_eq!(refused(E::Unauthorised { texts: Vec::new() }), Refused::Unauthorised);
        let wait = Some(Duration::from_secs(7));
        assert_eq!(
            refused(E::RateLimited { retry_after: wait, texts: Vec::new() }),
            Refused::NotNow(Duration::from_secs(7))
        );
        let code = vec!["IntegrationCode is invalid".to_owned()];
        let unknown = E::Unavailable { status: Some(500), texts: code, source: None };
        assert_eq!(refused(unknown), Refused::Stop(Code::IntegrationVendorMismatch));
    }

    #[test]
    fn it_is_tried_hourly_for_three_days_and_daily_then() {
        assert_eq!([1, 71, 72, 500].map(retry_after), [RETRY_HOURLY, RETRY_HOURLY, RETRY_DAILY, RETRY_DAILY]);
        assert_eq!(RETRY_HOURLY * i32::try_from(RETRY_DAILY_AFTER).unwrap(), RETRY_DAILY * 3);
    }
}
