//! Where an issue stands, and what moves it. Pure.

use serde::{Deserialize, Serialize};

/// Whether somebody has to look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueState {
    /// The cause is there, and nobody has seen it.
    Open,
    /// The cause is there, and somebody has seen it.
    Acknowledged,
    /// Nobody wants to hear of it: it is counted, and neither opens again nor tells anybody.
    Ignored,
    /// A person closed it: it opens again when it is met again.
    Dismissed,
    /// The cause is gone.
    Resolved,
}

impl IssueState {
    /// Every state.
    pub const ALL: [IssueState; 5] =
        [IssueState::Open, IssueState::Acknowledged, IssueState::Ignored, IssueState::Dismissed, IssueState::Resolved];

    /// The state's text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            IssueState::Open => "open",
            IssueState::Acknowledged => "acknowledged",
            IssueState::Ignored => "ignored",
            IssueState::Dismissed => "dismissed",
            IssueState::Resolved => "resolved",
        }
    }
}

/// What a person decides about an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It was seen, and stays open. Ends ignoring and dismissing.
    Acknowledge,
    /// It is closed until it is met again.
    Dismiss,
    /// Nobody wants to hear of it, however often it is met.
    Ignore,
}

impl Action {
    /// What the audit trail calls it.
    pub(super) fn audited(self) -> &'static str {
        match self {
            Action::Acknowledge => "issue.acknowledged",
            Action::Dismiss => "issue.dismissed",
            Action::Ignore => "issue.ignored",
        }
    }
}

/// What becomes of an issue that is met again, and whether that opens it.
pub(super) fn met(state: IssueState) -> (IssueState, bool) {
    match state {
        IssueState::Open | IssueState::Acknowledged | IssueState::Ignored => (state, false),
        IssueState::Dismissed | IssueState::Resolved => (IssueState::Open, true),
    }
}

/// What becomes of an issue whose cause is gone. What is ignored stays so: it would open again else.
pub(super) fn gone(state: IssueState) -> IssueState {
    match state {
        IssueState::Open | IssueState::Acknowledged | IssueState::Dismissed | IssueState::Resolved => {
            IssueState::Resolved
        }
        IssueState::Ignored => IssueState::Ignored,
    }
}

/// What a person's decision makes of an issue; `stands`: whether its cause is there.
pub(super) fn decided(state: IssueState, stands: bool, action: Action) -> IssueState {
    match (action, state) {
        (Action::Acknowledge, IssueState::Resolved) => IssueState::Resolved,
        (Action::Acknowledge, _) if stands => IssueState::Acknowledged,
        (Action::Acknowledge, _) => IssueState::Resolved,
        // There is nothing to close.
        (Action::Dismiss, IssueState::Resolved) => IssueState::Resolved,
        (Action::Dismiss, _) => IssueState::Dismissed,
        (Action::Ignore, _) => IssueState::Ignored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action as A;
    use IssueState as S;

    #[test]
    fn what_is_closed_opens_again_and_what_is_ignored_does_not() {
        for (state, again, opens, without) in [
            (S::Open, S::Open, false, S::Resolved),
            (S::Acknowledged, S::Acknowledged, false, S::Resolved),
            (S::Ignored, S::Ignored, false, S::Ignored),
            (S::Dismissed, S::Open, true, S::Resolved),
            (S::Resolved, S::Open, true, S::Resolved),
        ] {
            assert_eq!((met(state), gone(state)), ((again, opens), without), "{state:?}");
        }
    }

    #[test]
    fn a_decision_closes_what_is_there_and_never_opens_what_is_gone() {
        for (state, stands, acknowledged, dismissed, ignored) in [
            (S::Open, true, S::Acknowledged, S::Dismissed, S::Ignored),
            (S::Acknowledged, true, S::Acknowledged, S::Dismissed, S::Ignored),
            (S::Ignored, true, S::Acknowledged, S::Dismissed, S::Ignored),
            (S::Ignored, false, S::Resolved, S::Dismissed, S::Ignored),
            (S::Dismissed, true, S::Acknowledged, S::Dismissed, S::Ignored),
            (S::Resolved, false, S::Resolved, S::Resolved, S::Ignored),
        ] {
            let found = [A::Acknowledge, A::Dismiss, A::Ignore].map(|action| decided(state, stands, action));
            assert_eq!(found, [acknowledged, dismissed, ignored], "{state:?}, cause there: {stands}");
        }
    }
}
