//! Code to HTTP status: the one place that knows both.

use domain::Code;
use http::StatusCode;

/// The status of an answer that is this problem. 422 says that the thing
/// named cannot be used so, 409 that the state of ours forbids it now, 503 that a repeat may succeed.
/// Codes that mostly stand inside an answer (a line's state, a warning) have the status of a refusal
/// for that reason.
#[must_use]
pub fn status(code: Code) -> StatusCode {
    use Code as C;
    match code {
        C::InvalidInput => StatusCode::BAD_REQUEST,
        C::ForbiddenRole | C::NotMainAccount | C::PermissionMissing | C::SecondPersonNeeded | C::SecondaryNoManual => {
            StatusCode::FORBIDDEN
        }
        C::SignatureInvalid => StatusCode::UNAUTHORIZED,
        C::WebhookPermissionMissing => StatusCode::FORBIDDEN,
        C::RateLimitedManual | C::TestMailLimited => StatusCode::TOO_MANY_REQUESTS,
        C::NotFound | C::PdfUnavailable => StatusCode::NOT_FOUND,
        C::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        C::BillingCodeMissing
        | C::DifferentDatabase
        | C::AlreadyConnected
        | C::AccountClaimedByOtherPsa
        | C::AutomapAmbiguous
        | C::MappingUnconfirmed
        | C::NoContractSelected
        | C::PackageUnmapped
        | C::InitialSyncNotReady
        | C::UnmappedAccount
        | C::ContractEnding
        | C::QuantityMissing
        | C::SwapWaiting
        | C::Dismissed
        | C::LineMoved
        | C::UsageMissing
        | C::UsageStale
        | C::HeldLargeChange
        | C::HeldZero
        | C::RunStopped
        | C::PeriodAlreadyBilled
        | C::PeriodNotVisible
        | C::PlanStale
        | C::WriteUnverified
        | C::DriftDetected
        | C::RunPartial
        | C::RunMissed
        | C::AlreadyRunning
        | C::PackageChangePending
        | C::ApprovalWaiting
        | C::AutoSyncOff
        | C::TopologyInUse
        | C::Superseded
        | C::RunNotWritable
        | C::FeatureOff
        | C::InvoiceTotalMismatch
        | C::InvoiceNumberClash
        | C::PlatformEditNotSent
        | C::CustomerNotSynced
        | C::InvoiceMissingUpstream
        | C::PaymentConflict
        | C::PaymentWritebackFailed
        | C::PaymentDeleted
        | C::PaymentNameReused
        | C::LedgerFull
        | C::MailOff
        | C::FailureTicketRefused
        | C::NoRecipients
        | C::InvoiceVoided
        | C::PartialNotVisible
        | C::WebhookLimitReached
        | C::WebhookDuplicate
        | C::WebhookNotReady
        | C::WebhookDisabledByAutotask
        | C::EventsLost
        | C::ThresholdNear
        | C::NeedsRelink
        | C::ConnectionPaused
        | C::Conflict
        | C::IdempotencyInProgress
        | C::RunFailed
        | C::FetchFailed
        | C::IssueNotRetryable
        | C::IssueNeedsChoice => StatusCode::CONFLICT,
        C::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        C::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        C::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        C::ZoneNotFound
        | C::CredentialsInvalid
        | C::AccountLockedOrInactive
        | C::IntegrationVendorMismatch
        | C::CostNotReadable
        | C::CompanyAlreadyMapped
        | C::CompanyInactiveOrGone
        | C::ContractNotFound
        | C::ContractEnded
        | C::ContractRenewed
        | C::ContractNotRecurring
        | C::ContractNotMonthly
        | C::ContractServiceRemoved
        | C::ServiceInactive
        | C::ContractServiceShared
        | C::ProductNotBillableAsService
        | C::EffectiveDateOutsideContract
        | C::DuplicateLine
        | C::ZeroUnitsRefused
        | C::BundleCostUnsupported
        | C::CostNotWritable
        | C::RejectedByAutotask
        | C::MailRefused
        | C::IdempotencyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
        C::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        C::AutotaskUnavailable | C::Throttled | C::SecretStoreUnavailable | C::Unavailable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// Whether we try again by ourselves, so that nobody has to.
pub(super) fn retried_by_ourselves(code: Code) -> bool {
    matches!(
        code,
        Code::Throttled
            | Code::UsageMissing
            | Code::UsageStale
            | Code::PeriodAlreadyBilled
            | Code::WriteUnverified
            | Code::PdfUnavailable
            | Code::PaymentWritebackFailed
            | Code::WebhookDisabledByAutotask
            | Code::EventsLost
            | Code::ThresholdNear
    )
}
