//! What can go wrong, by what a caller does differently.

use std::fmt;
use std::time::Duration;

use crate::transport::TransportError;

/// Result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Most error texts of one answer that are kept.
pub const TEXTS_MAX: usize = 8;

/// Most characters of one error text that are kept.
pub const TEXT_CHARS_MAX: usize = 300;

/// A failed call to Autotask. Each variant asks something else of the caller.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Wrong secret, a locked user, no API permission, or a database that moved to another zone.
    /// Stop calling: repeated failures lock the API user.
    #[error("Autotask did not accept the credentials{}", Listed(texts))]
    Unauthorised {
        /// Autotask's words.
        texts: Vec<String>,
    },
    /// The API user's security level does not allow it, or the module is not active.
    #[error("Autotask does not allow this API user to do that{}", Listed(texts))]
    Forbidden {
        /// Autotask's words.
        texts: Vec<String>,
    },
    /// No such row, or no such route on this zone.
    #[error("Autotask found nothing there{}", Listed(texts))]
    NotFound {
        /// Autotask's words.
        texts: Vec<String>,
    },
    /// Autotask understood and said no. The same request will be refused again.
    #[error("Autotask refused the request ({status}){}", Listed(texts))]
    Rejected {
        /// HTTP status; 500 for most validation errors.
        status: u16,
        /// Autotask's words.
        texts: Vec<String>,
    },
    /// The database's hourly limit, shared by every integration of that tenant. Nothing was done.
    #[error("Autotask's hourly limit is reached{}", Listed(texts))]
    RateLimited {
        /// How long Autotask asked us to wait, if it said.
        retry_after: Option<Duration>,
        /// Autotask's words.
        texts: Vec<String>,
    },
    /// More than three calls at once on this object. Nothing was done.
    #[error("too many calls to Autotask at once{}", Listed(texts))]
    ThreadLimit {
        /// How long Autotask asked us to wait, if it said.
        retry_after: Option<Duration>,
        /// Autotask's words.
        texts: Vec<String>,
    },
    /// A read got no answer, or an error that says nothing about the request. Never a write: see
    /// [`Error::UnknownOutcome`].
    #[error("Autotask is not available{}{}", Status(status), Listed(texts))]
    Unavailable {
        /// HTTP status, if there was an answer.
        status: Option<u16>,
        /// Autotask's words. With a 500 they may mean a mistake in the request of a kind that
        /// this crate does not know yet, or an unknown user or integration code.
        texts: Vec<String>,
        /// What failed below, if there was no answer.
        source: Option<TransportError>,
    },
    /// The request, read or write, surely never left.
    #[error("Autotask could not be reached")]
    NotSent {
        /// What failed below.
        source: TransportError,
    },
    /// A write may or may not have been applied, and may still be. Never send it again without
    /// having read what became of it.
    #[error("it is not known whether Autotask applied the change")]
    UnknownOutcome {
        /// Why it is not known.
        source: OutcomeCause,
    },
    /// An answer to a read that is not what it should be: HTML, cut off, without its rows.
    #[error("Autotask's answer cannot be used: {what}")]
    Malformed {
        /// What is wrong with it.
        what: String,
        /// Where, if it is about JSON.
        source: Option<JsonFault>,
    },
    /// A bound of this client: too many pages, a page that leads back or elsewhere, a query that
    /// Autotask would refuse.
    #[error("stopped: {what}")]
    OutOfBounds {
        /// Which bound.
        what: String,
    },
}

/// Why the outcome of a write is not known.
#[derive(Debug, thiserror::Error)]
pub enum OutcomeCause {
    /// No whole answer.
    #[error(transparent)]
    Transport(TransportError),
    /// A status that says nothing about what happened.
    #[error("Autotask answered {status}{}", Listed(texts))]
    Status {
        /// HTTP status.
        status: u16,
        /// Autotask's words.
        texts: Vec<String>,
    },
    /// It answered 200, but not what a write is answered with.
    #[error("Autotask's answer cannot be used: {what}")]
    Answer {
        /// What is wrong with it.
        what: String,
    },
}

/// Where JSON is not as expected, without any of its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}{}", Place(*line, *column))]
pub struct JsonFault {
    kind: &'static str,
    line: usize,
    column: usize,
}

impl From<&serde_json::Error> for JsonFault {
    fn from(error: &serde_json::Error) -> Self {
        let kind = match error.classify() {
            serde_json::error::Category::Io => "input that could not be read",
            serde_json::error::Category::Syntax => "no JSON",
            serde_json::error::Category::Data => "an unexpected value",
            serde_json::error::Category::Eof => "a cut-off end",
        };
        Self { kind, line: error.line(), column: error.column() }
    }
}

impl Error {
    /// Whether the same request may be sent again later, and then succeed without anybody's
    /// changing anything. An unknown outcome is none of these: first read what became of it.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::ThreadLimit { .. }
            | Self::Unavailable { .. }
            | Self::NotSent { .. }
            | Self::Malformed { .. } => true,
            Self::UnknownOutcome { .. }
            | Self::Unauthorised { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Rejected { .. }
            | Self::OutOfBounds { .. } => false,
        }
    }

    /// Whether a write that failed so may nevertheless have taken effect, or may still.
    pub const fn may_have_been_applied(&self) -> bool {
        match self {
            Self::UnknownOutcome { .. } => true,
            // Reads only.
            Self::Unavailable { .. } | Self::Malformed { .. } => false,
            Self::Unauthorised { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Rejected { .. }
            | Self::RateLimited { .. }
            | Self::ThreadLimit { .. }
            | Self::NotSent { .. }
            | Self::OutOfBounds { .. } => false,
        }
    }

    /// How long Autotask asked us to wait.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::ThreadLimit { retry_after, .. } => *retry_after,
            Self::Unauthorised { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Rejected { .. }
            | Self::Unavailable { .. }
            | Self::NotSent { .. }
            | Self::UnknownOutcome { .. }
            | Self::Malformed { .. }
            | Self::OutOfBounds { .. } => None,
        }
    }

    /// Autotask's own words, secrets taken out, bounded in number and length.
    pub fn texts(&self) -> &[String] {
        match self {
            Self::Unauthorised { texts }
            | Self::Forbidden { texts }
            | Self::NotFound { texts }
            | Self::Rejected { texts, .. }
            | Self::RateLimited { texts, .. }
            | Self::ThreadLimit { texts, .. }
            | Self::Unavailable { texts, .. }
            | Self::UnknownOutcome { source: OutcomeCause::Status { texts, .. } } => texts,
            Self::UnknownOutcome { source: OutcomeCause::Transport(_) | OutcomeCause::Answer { .. } }
            | Self::NotSent { .. }
            | Self::Malformed { .. }
            | Self::OutOfBounds { .. } => &[],
        }
    }

    /// The HTTP status, where it tells more than the variant does.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Rejected { status, .. } => Some(*status),
            Self::Unavailable { status, .. } => *status,
            Self::UnknownOutcome { source: OutcomeCause::Status { status, .. } } => Some(*status),
            Self::Unauthorised { .. } => Some(401),
            Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::RateLimited { .. }
            | Self::ThreadLimit { .. }
            | Self::NotSent { .. }
            | Self::UnknownOutcome { .. }
            | Self::Malformed { .. }
            | Self::OutOfBounds { .. } => None,
        }
    }

    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed { what: what.into(), source: None }
    }

    pub(crate) fn bad_json(what: impl Into<String>, error: &serde_json::Error) -> Self {
        Self::Malformed { what: what.into(), source: Some(error.into()) }
    }

    pub(crate) fn out_of_bounds(what: impl Into<String>) -> Self {
        Self::OutOfBounds { what: what.into() }
    }
}

struct Listed<'a>(&'a [String]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0.join("; ")) }
    }
}

struct Status<'a>(&'a Option<u16>);

impl fmt::Display for Status<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(status) => write!(f, " ({status})"),
            None => Ok(()),
        }
    }
}

struct Place(usize, usize);

// A value that has been parsed before has no place any more.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return Ok(());
        }
        write!(f, " at line {}, column {}", self.0, self.1)
    }
}
