//! What a failed call means for sending it again.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;
use domain::ports::StorageError;
use std::error::Error;
use std::fmt::Debug;

/// How often a request with an unknown outcome, or one that met a busy engine, is sent again.
pub(super) const RESENDS: u32 = 3;

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// No answer: it may have been carried out. The same request again tells.
    Unknown,
    /// Throttled, or another transaction holds the item. Not carried out.
    Busy,
    /// The engine understood and refused: a condition, a right, a missing table.
    Refused,
    /// The engine refuses the request itself: too large, a key twice in one transaction.
    Malformed,
}

/// The code of a cancelled transaction's write whose condition did not hold.
const CONDITION: &str = "ConditionalCheckFailed";

/// The fate of a call.
pub(super) fn fate<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Fate {
    match error {
        SdkError::ConstructionFailure(_) => Fate::Refused,
        SdkError::DispatchFailure(failure) if failure.is_user() => Fate::Refused,
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => Fate::Unknown,
        SdkError::ServiceError(context) => of_code(context.err().code()),
        _ => Fate::Unknown,
    }
}

fn of_code(code: Option<&str>) -> Fate {
    match code {
        Some(
            "TransactionConflictException"
            | "TransactionInProgressException"
            | "ThrottlingException"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "ReplicatedWriteConflictException",
        ) => Fate::Busy,
        Some("ValidationException" | "ItemCollectionSizeLimitExceededException") => Fate::Malformed,
        Some(
            "ConditionalCheckFailedException"
            | "TransactionCanceledException"
            | "IdempotentParameterMismatchException"
            | "ResourceNotFoundException"
            | "AccessDeniedException"
            | "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "ExpiredTokenException"
            | "MissingAuthenticationTokenException",
        ) => Fate::Refused,
        // InternalServerError, ServiceUnavailable and whatever comes later.
        Some(_) | None => Fate::Unknown,
    }
}

/// The fate of a transaction: a cancellation says for each write why.
pub(super) fn fate_of_transaction<R>(error: &SdkError<TransactWriteItemsError, R>) -> Fate {
    let Some(reasons) = reasons(error) else { return fate(error) };
    let has = |wanted: &[&str]| reasons.iter().filter_map(CancellationReason::code).any(|code| wanted.contains(&code));
    if has(&[CONDITION]) {
        Fate::Refused
    } else if has(&["ValidationError", "ItemCollectionSizeLimitExceeded"]) {
        Fate::Malformed
    } else {
        // TransactionConflict, ThrottlingError, ProvisionedThroughputExceeded.
        Fate::Busy
    }
}

/// Why each write of a cancelled transaction was or was not refused, in the order of the writes.
pub(super) fn reasons<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<&[CancellationReason]> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => Some(cancelled.cancellation_reasons()),
        _ => None,
    }
}

/// Whether this write's condition did not hold.
pub(super) fn is_condition(reason: &CancellationReason) -> bool {
    reason.code() == Some(CONDITION)
}

/// A failure that is left after all sends, as the domain is told.
pub(super) fn storage_error<E, R>(what: &str, error: SdkError<E, R>, fate: Fate) -> StorageError
where
    E: Error + Send + Sync + 'static,
    R: Debug + Send + Sync + 'static,
{
    match fate {
        Fate::Malformed => StorageError::Corrupt { key: what.to_owned(), source: Box::new(error) },
        Fate::Unknown | Fate::Busy | Fate::Refused => StorageError::Unavailable(Box::new(error)),
    }
}
