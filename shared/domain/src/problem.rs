//! What can go wrong, as a partner is told: a code, what happened, what it means for billing, what to do.
//! HTTP statuses are the edge's business.

use crate::ports::{EventsError, QueueError, SecretsError, StorageError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A domain call's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($variant:ident = $text:literal: $title:literal, $effect:literal, $action:literal;)*) => {
        /// The codes of problems: stable, part of the API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Code {
            $(#[doc = $title] #[serde(rename = $text)] $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// The code's text.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text,)* }
            }

            /// What happened, in one plain sentence.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)* }
            }

            /// What it means for billing.
            #[must_use]
            pub fn effect(self) -> &'static str {
                match self { $(Code::$variant => $effect,)* }
            }

            /// What to do.
            #[must_use]
            pub fn action(self) -> &'static str {
                match self { $(Code::$variant => $action,)* }
            }
        }
    };
}

codes! {
    // Connect
    InvalidInput = "invalid_input": "The request has a value that cannot be taken.", "Nothing was changed.", "Correct the named fields and send the request again.";
    ZoneNotFound = "zone_not_found": "Autotask does not know this username.", "Nothing was saved; nothing is billed through this connection.", "Copy the generated key of the API user, not your own login, and try again.";
    CredentialsInvalid = "credentials_invalid": "Autotask refused the password (secret).", "Nothing was saved; credentials that worked before stay in use.", "Generate a new secret for the API user and enter it. If the user is locked, unlock it in Admin > Resources (Users) first.";
    AccountLockedOrInactive = "account_locked_or_inactive": "Autotask says that the API user is locked or inactive.", "Nothing was saved; credentials that worked before stay in use.", "Unlock or activate the API user in Admin > Resources (Users), then try again.";
    IntegrationVendorMismatch = "integration_vendor_mismatch": "The API user is not tied to this integration.", "Nothing was saved; nothing is billed through this connection.", "In the API user's form set API Tracking Identifier to Integration Vendor and pick the vendor named in the setup guide.";
    PermissionMissing = "permission_missing": "The API user lacks a right that this needs.", "What needs the right is off; everything else goes on.", "Grant the named right to the API user's security level, then press Test.";
    CostNotReadable = "cost_not_readable": "The API user cannot read costs.", "Units are synchronised; costs are left as they are.", "Use a security level that can read and edit costs, or switch Overwrite Cost off.";
    BillingCodeMissing = "billing_code_missing": "Autotask has no active recurring-service billing code of the required name.", "Lines cannot be set up until it exists.", "Create it in Admin > Finance, Accounting & Invoicing > Billing Codes, then check again.";
    DifferentDatabase = "different_database": "These credentials belong to another Autotask database.", "Nothing was changed; the present credentials stay in use.", "Cancel and use credentials of the connected database, or choose to start fresh, which drops the mappings.";
    AlreadyConnected = "already_connected": "This partner is already connected to Autotask.", "Nothing was changed.", "Use the existing connection, or disconnect it first.";
    ForbiddenRole = "forbidden_role": "Your role may not do this.", "Nothing was changed.", "Ask somebody with the named role.";
    NotMainAccount = "not_main_account": "Only the main partner account may set up the integration.", "Nothing was changed.", "Ask an administrator of the main account.";
    AutotaskUnavailable = "autotask_unavailable": "Autotask does not answer as it should right now.", "Nothing was saved by this call; nothing is wrong with what you entered.", "Try again in a few minutes.";
    // Mapping
    CompanyAlreadyMapped = "company_already_mapped": "This Autotask company is already mapped to another account.", "Nothing was saved.", "Unmap the other account first, or choose another company.";
    AccountClaimedByOtherPsa = "account_claimed_by_other_psa": "This account is synchronised by another PSA.", "Nothing was saved; the other PSA goes on billing it.", "Unmap the account there, then map it here.";
    CompanyInactiveOrGone = "company_inactive_or_gone": "The mapped company is inactive in Autotask or no longer there.", "The account is not billed until it is mapped again.", "Activate the company in Autotask or map the account to another one.";
    ContractNotFound = "contract_not_found": "The mapped contract is no longer in Autotask.", "The line was not written; its units stay as they are.", "Choose another contract for this account.";
    ContractEnded = "contract_ended": "The mapped contract has ended.", "The line was not written; nothing is billed on an ended contract.", "Extend the contract in Autotask or map the account to its successor.";
    ContractRenewed = "contract_renewed": "The mapped contract was renewed by another one.", "The line was not written; the new contract bills the units it was renewed with.", "Map the account to the successor contract.";
    ContractNotRecurring = "contract_not_recurring": "The contract is not of the type Recurring Service.", "Units exist on recurring service contracts only; nothing was written.", "Choose a contract of the type Recurring Service.";
    ContractNotMonthly = "contract_not_monthly": "The contract's billing period is not monthly.", "Units are written, and Autotask bills them by the contract's own period.", "Check that this period is what you want.";
    ContractServiceRemoved = "contract_service_removed": "The mapped contract line is no longer in Autotask.", "The line was not written.", "Pick another line of the contract, or add the service to the contract again.";
    ServiceInactive = "service_inactive": "The line's service is inactive in Autotask.", "The line was not written.", "Activate the service or pick another line.";
    TopologyInUse = "topology_in_use": "Mappings have a shape that this setting would not allow.", "Nothing was changed.", "Map the accounts named otherwise, then change the setting.";
    ContractServiceShared = "contract_service_shared": "Another mapping already writes to this contract line.", "Nothing was saved: two counts on one line would overwrite each other.", "Pick another line.";
    PackageUnmapped = "package_unmapped": "The package is not mapped to a service.", "The change is recorded and not pushed; the old line stays as it is until the new one can be written.", "Map the package to a service or exclude it, then use Sync now.";
    InitialSyncNotReady = "initial_sync_not_ready": "Packages in use are not mapped yet.", "No line was added or changed.", "Map or exclude the named packages, then start the initial sync.";
    UnmappedAccount = "unmapped_account": "An account with seats is not mapped.", "Its seats are not billed through Autotask.", "Map the account to a company and a contract, or exclude it.";
    ContractEnding = "contract_ending": "The mapped contract ends soon.", "Until its end it is billed as ever; after it nothing is.", "Renew or extend the contract in Autotask, then map the account to the successor.";
    ProductNotBillableAsService = "product_not_billable_as_service": "No service of this product's name exists.", "Nothing was saved; contract lines hold services, not products.", "Create a service of that name in Autotask or choose one of the near names.";
    AutomapAmbiguous = "automap_ambiguous": "More than one company fits this account.", "The account is not mapped and not billed.", "Choose the right company by hand.";
    MappingUnconfirmed = "mapping_unconfirmed": "The mapping waits for your confirmation.", "The account is not billed.", "Confirm the mapping.";
    NoContractSelected = "no_contract_selected": "The account is mapped without a contract.", "The account is not billed.", "Choose a contract and a line.";
    // Seat sync
    UsageMissing = "usage_missing": "There is no count for this account and package.", "The line keeps its units; a missing count is never written as 0.", "Wait for the next count or ask support.";
    UsageStale = "usage_stale": "The newest count is older than allowed.", "The line keeps its units; an old count is not written.", "Wait for the next count or ask support.";
    HeldLargeChange = "held_large_change": "The change is larger than the guards allow.", "The line keeps its units until somebody decides.", "Check the count; run the sync for this account again with the guard changed, or correct the count.";
    HeldZero = "held_zero": "The count fell to 0.", "The line keeps its units until somebody decides.", "Check the count; allow 0 in the guards, or correct the count.";
    RunStopped = "run_stopped": "The run is stopped before it writes anything.", "No line is changed by it.", "Put right what the detail says: counts of which too many are held, or settings that let no run write. Then run it again.";
    PeriodAlreadyBilled = "period_already_billed": "The period is already approved and posted in Autotask.", "The line keeps its units for this period; the next period gets the new count.", "Nothing, or change the units by hand if they must be billed in this period.";
    PeriodNotVisible = "period_not_visible": "Autotask shows no units of this line for the period yet.", "The line was not written: what it has now is not known, and a change without that could bill it twice.", "Run the sync for this account again once the period has begun; if it stays, look at the line's units in Autotask.";
    EffectiveDateOutsideContract = "effective_date_outside_contract": "The effective date lies outside the contract.", "The line was not written.", "Check the contract's dates.";
    PlanStale = "plan_stale": "The preview no longer fits: units or counts have changed since.", "Nothing was written.", "Make a new preview and apply that.";
    WriteUnverified = "write_unverified": "A change was sent and its effect cannot be seen yet.", "It will not be sent again; the line is looked at again by the next run.", "Compare the line's units in Autotask with the report.";
    DriftDetected = "drift_detected": "Somebody changed the units in Autotask since we last wrote them.", "The line was treated by the drift policy.", "Check who changed the line, or choose another drift policy.";
    DuplicateLine = "duplicate_line": "The contract holds the same service more than once.", "Nothing was written; the line to use would be a guess.", "Pick the line by hand.";
    ZeroUnitsRefused = "zero_units_refused": "Autotask did not take 0 units.", "The line goes on being billed.", "Remove the service from the contract by hand.";
    BundleCostUnsupported = "bundle_cost_unsupported": "The cost of a service bundle cannot be overwritten.", "Units are synchronised; the cost is not.", "Switch Overwrite Cost off for this line.";
    CostNotWritable = "cost_not_writable": "Autotask did not take the new unit cost.", "Units are right; the cost stays as it was.", "Set the cost by hand, or use a security level that can edit costs.";
    RejectedByAutotask = "rejected_by_autotask": "Autotask refused the change.", "The line keeps its units.", "Read Autotask's words in the detail and correct the cause.";
    QuantityMissing = "quantity_missing": "The package's quantity is not known.", "The line keeps its units; a missing quantity is never written as 0.", "Let the vendor's back end send the quantity, or count this package by usage.";
    SwapWaiting = "swap_waiting": "The other line of this package swap is not right yet.", "The old line goes on being billed until the new one is.", "Put the other line right; this one follows by itself.";
    Dismissed = "dismissed": "Somebody dismissed this line for the period.", "The line keeps its units for this period and comes up again in the next.", "Nothing, or approve the line in a new run.";
    LineMoved = "line_moved": "The units are no longer what the run wrote.", "The line was not undone: somebody or another run changed it since.", "Compare the line in Autotask with the report and change it by hand if it must be.";
    SecondPersonNeeded = "second_person_needed": "The settings ask for a second person.", "Nothing was changed.", "Let somebody else apply it.";
    RunPartial = "run_partial": "Some lines of the run were not done.", "The other lines are right.", "Look at the failed lines and retry those.";
    RunMissed = "run_missed": "A scheduled run did not happen in time.", "Units are as the last run left them.", "Run the sync now.";
    AlreadyRunning = "already_running": "A run of this connection is under way.", "Nothing was changed by this request.", "Wait for the run named in the answer.";
    PackageChangePending = "package_change_pending": "A package change is not pushed yet.", "The lines are as they were before the change.", "Use Sync now, or put right what the change waits for.";
    ApprovalWaiting = "approval_waiting": "A run waits for somebody's approval.", "What it holds is not written until then.", "Look at the run and apply, adjust or dismiss what it holds.";
    AutoSyncOff = "auto_sync_off": "Automatic billing sync is off.", "The change is recorded and not pushed.", "Use Sync now, or switch automatic sync on.";
    Superseded = "superseded": "Another run has a newer word on this line: a later count or change, a decision, or an undo.", "The line has what the newer word says.", "Nothing.";
    RunNotWritable = "run_not_writable": "The run is not in a state that allows this.", "Nothing was changed.", "Look at the run's state.";
    // Invoices and payments
    FeatureOff = "feature_off": "This feature is off for the connection.", "Nothing was done.", "Switch the feature on in the connection's settings.";
    RateLimitedManual = "rate_limited_manual": "This button was pressed a short while ago.", "Nothing was started; the hourly and the daily fetch go on by themselves.", "Press it again at the time that the answer names.";
    SecondaryNoManual = "secondary_no_manual": "Only a primary integration can be fetched by hand.", "Nothing was started; the hourly and the daily fetch go on by themselves.", "Wait for the next fetch, or make Autotask the primary integration in the settings.";
    InvoiceTotalMismatch = "invoice_total_mismatch": "The invoice's lines and tax do not come to its total.", "The invoice is kept with Autotask's total; compare it before it is paid.", "Look at the invoice in Autotask, then fetch it again.";
    InvoiceNumberClash = "invoice_number_clash": "Several invoices carry the same number.", "Each is kept under its Autotask id; whoever goes by the number may take one for the other.", "Renumber one of them in Autotask, or set the invoice reference to the Autotask id.";
    CustomerNotSynced = "customer_not_synced": "A filter keeps this customer or invoice out.", "It is not fetched; what is here of it stays and is no longer updated.", "Change the filter that the answer names, if it is to be fetched.";
    PlatformEditNotSent = "platform_edit_not_sent": "Invoices are not edited here.", "Nothing was changed; amounts and due dates are never sent to Autotask.", "Change the invoice in Autotask; it is here within a day, or at once by resync.";
    InvoiceMissingUpstream = "invoice_missing_upstream": "Autotask no longer returns this invoice.", "It is not archived here by that, and no longer updated.", "If it was deleted in Autotask, archive it here by hand; if not, check the API user's right to see invoices.";
    PdfUnavailable = "pdf_unavailable": "The invoice's PDF is not here.", "The invoice itself can be used.", "Nothing; it is asked for again by itself. If it stays away, open the invoice's PDF in Autotask.";
    PaymentConflict = "payment_conflict": "Payments here and what Autotask says of this invoice do not go together.", "What Autotask has stands there and was not changed; the payments stand here. Nothing is charged by either.", "Find out which is right: refund or delete the payment, or correct the paid date in Autotask.";
    PaymentWritebackFailed = "payment_writeback_failed": "An invoice's paid date is not yet in Autotask as the payments here say.", "The payments are safe here; only the paid date in Autotask is missing, or still there.", "Nothing: it is tried again by itself. If it is urgent, set or clear the invoice's paid date in Autotask by hand.";
    PaymentDeleted = "payment_deleted": "A payment or credit of this name was deleted.", "Nothing was changed; it does not count.", "Tell a payment that was made again under a name of its own.";
    PaymentNameReused = "payment_name_reused": "A payment or credit was told again under its name with other content.", "What was told first is kept and counts; what was told later counts for nothing.", "Find out which is right. If both are, tell the later one under a name of its own; if the first is wrong, delete it and tell the right one under a new name.";
    LedgerFull = "ledger_full": "The invoice has as many payments and credits as are kept of one.", "It was not recorded.", "Ask support; so many entries of one invoice usually come from a loop.";
    InvoiceVoided = "invoice_voided": "The invoice was voided in Autotask.", "Nothing is to be paid of it, and nothing is written to it; it is not archived here by that.", "Refund or delete payments that stand on it; archive it here if it should no longer be shown.";
    PartialNotVisible = "partial_not_visible": "The invoice is paid in part, which Autotask's API cannot show.", "Autotask has no paid date until the rest is paid; what is outstanding is shown here.", "Nothing.";
    // Webhooks
    SignatureInvalid = "signature_invalid": "The callout is not signed with this connection's key.", "Nothing was taken from it.", "If it came from Autotask, install the webhooks again, which gives them the present key.";
    WebhookPermissionMissing = "webhook_permission_missing": "The API user may not create webhooks.", "Changes in Autotask arrive by the hourly and daily looks only; billing goes on.", "In Autotask open Admin > Resources (Users) > Security Levels, edit the API user's security level, and under Other permissions tick Can create WebHooks with a maximum of 5 or more; then install again.";
    WebhookLimitReached = "webhook_limit_reached": "Autotask takes no more webhooks of this kind.", "Changes of this kind arrive by the hourly and daily looks only; billing goes on.", "Remove webhooks that nobody needs in Autotask (50 may be active per kind), or raise the security level's maximum; then install again.";
    WebhookDuplicate = "webhook_duplicate": "Autotask says that this webhook is there already.", "Changes of this kind may arrive by the hourly and daily looks only; billing goes on.", "Remove the webhook that points at this address in Autotask, then install again.";
    WebhookNotReady = "webhook_not_ready": "Autotask does not call this webhook yet: it is not ready.", "Changes of this kind arrive by the hourly and daily looks only; billing goes on.", "Install again. If it stays so, check that the API user may see the fields that the answer names.";
    WebhookDisabledByAutotask = "webhook_disabled_by_autotask": "Autotask has switched a webhook off after too many failed calls.", "What changed meanwhile is looked for by itself; billing goes on.", "Nothing: it is switched on again by itself. If it happens again, tell support.";
    EventsLost = "events_lost": "Events of a webhook did not arrive.", "What they were about is looked for by itself; billing goes on.", "Nothing. If it happens often, tell support.";
    // Platform
    Throttled = "throttled": "Our share of Autotask's limits is used up right now.", "Nothing was changed by this call; scheduled work goes on by itself when there is room again.", "Try again when the answer says so. If it happens often, raise the share in the settings.";
    ThresholdNear = "threshold_near": "Autotask's hourly limit of calls is nearly or quite reached.", "Our calls are fewer or wait; what is scheduled goes on by itself when there is room again.", "Nothing for now. If it happens often, find out which integrations make so many calls, or ask Autotask for a higher limit.";
    NeedsRelink = "needs_relink": "The connection needs new credentials.", "Everything of this connection is paused; mappings are kept.", "Enter new credentials.";
    ConnectionPaused = "connection_paused": "The connection is paused.", "Nothing is billed through this connection.", "Resume the connection.";
    SecretStoreUnavailable = "secret_store_unavailable": "The credentials cannot be read right now.", "Nothing was changed; nothing is billed until they can be read.", "Try again in a few minutes; if it stays, enter the credentials again.";
    Conflict = "conflict": "Somebody else changed this in the meantime.", "Nothing was changed.", "Read it again and repeat your change.";
    PreconditionFailed = "precondition_failed": "The If-Match value is not the present version.", "Nothing was changed.", "Read it again and repeat your change with the new ETag.";
    IdempotencyMismatch = "idempotency_mismatch": "This Idempotency-Key was used with another request.", "Nothing was changed.", "Use a new key for a new request.";
    IdempotencyInProgress = "idempotency_in_progress": "A request with this Idempotency-Key is being worked on.", "Nothing was changed by this one.", "Repeat it in a few seconds to get its answer.";
    NotFound = "not_found": "There is no such thing here.", "Nothing was changed.", "Check the identifier.";
    MethodNotAllowed = "method_not_allowed": "This path does not take that method.", "Nothing was changed.", "See the API description.";
    PayloadTooLarge = "payload_too_large": "The request body is too large.", "Nothing was changed.", "Send a smaller body.";
    UnsupportedMediaType = "unsupported_media_type": "The request body is not of a type that this path takes.", "Nothing was changed.", "Send the content type that the API description names.";
    MailOff = "mail_off": "This deployment sends no mail.", "Nothing was sent; events and issues tell the same.", "Ask the vendor to set an address that mails come from.";
    NoRecipients = "no_recipients": "There is nobody to send mails to.", "Nothing was sent.", "Enter an address under Notifications.";
    MailRefused = "mail_refused": "The mail service refused the mail.", "Nothing was sent; events and issues tell the same.", "Check the addresses; if they are right, the sender may not be verified: ask support.";
    TestMailLimited = "test_mail_limited": "A test mail was asked for a moment ago.", "No further one was sent.", "Try again at the time that the answer names.";
    FailureTicketRefused = "failure_ticket_refused": "Autotask did not take a ticket about a failed run.", "The run is as its report says; only the ticket is missing.", "Check queue, priority, source and company of the failure tickets in the settings, and the API user's right to tickets.";
    Internal = "internal": "Something went wrong on our side.", "The request may or may not have been carried out; nothing is written to Autotask twice.", "Try again; if it stays, tell support the reference.";
    Unavailable = "unavailable": "The service is busy or a part of it is away.", "Nothing was changed by this call.", "Try again in a few seconds.";
    // Issues
    RunFailed = "run_failed": "A run ended before it did what it was to do.", "What it had not written keeps its units; its lines say what became of each.", "Put right what the detail says, then run it again.";
    FetchFailed = "fetch_failed": "Invoices could not be fetched.", "Invoices and customers here are as the last fetch left them; payments are safe.", "Put right what the detail says; the next fetch goes on by itself.";
    IssueNotRetryable = "issue_not_retryable": "Nothing can be retried for this issue.", "Nothing was changed.", "Put its cause right as the issue says; it closes by itself.";
    IssueNeedsChoice = "issue_needs_choice": "Only a person can decide what puts this issue right.", "Nothing was changed.", "Make one of the calls that the answer names.";
}

/// One field that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// JSON Pointer into the body, or the name of a query parameter.
    pub pointer: String,
    /// The rule it breaks.
    pub detail: String,
}

impl FieldError {
    /// Place and rule; the body as a whole has no name.
    fn words(&self) -> String {
        if self.pointer.is_empty() { self.detail.clone() } else { format!("{}: {}", self.pointer, self.detail) }
    }
}

/// Something that a caller did or can do something about.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Which.
    pub code: Code,
    /// This occurrence, in words; Autotask's own texts go here, redacted.
    pub detail: String,
    /// All refused fields at once.
    pub errors: Vec<FieldError>,
    /// Further members of the answer: the existing connection, the account that holds a company.
    pub extra: Map<String, Value>,
    /// When the caller may try again, in seconds.
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem with its detail.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), extra: Map::new(), retry_after: None }
    }

    /// A refused field.
    #[must_use]
    pub fn field(pointer: impl Into<String>, rule: impl Into<String>) -> Self {
        let (pointer, detail) = (pointer.into(), rule.into());
        let error = FieldError { pointer, detail };
        Self { errors: vec![error.clone()], ..Self::new(Code::InvalidInput, error.words()) }
    }

    /// Several refused fields; `None` when there are none.
    #[must_use]
    pub fn fields(errors: Vec<FieldError>) -> Option<Self> {
        let detail = errors.iter().map(FieldError::words).collect::<Vec<_>>().join("; ");
        (!errors.is_empty()).then(|| Self { errors, ..Self::new(Code::InvalidInput, detail) })
    }

    /// Adds a member to the answer.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

/// Why a domain call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller is told.
    #[error("{}: {}", .0.code.as_str(), .0.detail)]
    Problem(Box<Problem>),
    /// Records.
    #[error("reading or writing records")]
    Storage(#[from] StorageError),
    /// Credentials.
    #[error("reading or writing credentials")]
    Secrets(#[from] SecretsError),
    /// A queue.
    #[error("sending a message")]
    Queue(#[from] QueueError),
    /// The bus.
    #[error("publishing events")]
    Events(#[from] EventsError),
    /// Autotask, where no rule of ours says what it means.
    #[error("{doing}")]
    Autotask {
        /// What we were doing.
        doing: &'static str,
        /// What the client says.
        #[source]
        source: autotask::Error,
    },
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Error::Problem(Box::new(problem))
    }
}

impl Error {
    /// A problem as an error.
    #[must_use]
    pub fn problem(code: Code, detail: impl Into<String>) -> Self {
        Problem::new(code, detail).into()
    }

    /// Nothing of that name within the caller's reach.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::problem(Code::NotFound, format!("There is no such {what}."))
    }

    /// The code, where the caller is told one.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Error::Problem(problem) => Some(problem.code),
            _ => None,
        }
    }
}

/// An error and everything below it, on one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        let text = cause.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        below = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_says_what_happened_what_it_means_and_what_to_do() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{} stands twice", code.as_str());
            for text in [code.title(), code.effect(), code.action()] {
                assert!(text.ends_with('.') && text.len() > 7, "{}: {text:?}", code.as_str());
            }
            assert_eq!(serde_json::to_value(code).ok(), Some(Value::from(code.as_str())));
        }
    }
}
