//! An issue's name in our API: opaque, good in a path, and computed from what the issue is.

use super::Issue;
use crate::problem::{Code, Error, Result};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

const PREFIX: &str = "iss_";
/// Stands between code and subject; codes have none.
const SEPARATOR: char = '/';
/// Longest name that is looked at, in characters; a subject has at most a few hundred.
const NAME_CHARS_MAX: usize = 1_400;

impl Issue {
    /// The issue's name in our API.
    #[must_use]
    pub fn name(&self) -> String {
        let text = format!("{}{SEPARATOR}{}", self.code.as_str(), self.subject);
        format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(text))
    }
}

/// The code and the subject that a name stands for.
///
/// # Errors
/// `not_found` for what is no name of an issue.
pub(super) fn parse(name: &str) -> Result<(Code, String)> {
    read(name).ok_or_else(|| Error::not_found("issue"))
}

fn read(name: &str) -> Option<(Code, String)> {
    let encoded = name.strip_prefix(PREFIX).filter(|_| name.len() <= NAME_CHARS_MAX)?;
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()?;
    let (code, subject) = text.split_once(SEPARATOR)?;
    let code = Code::ALL.iter().copied().find(|known| known.as_str() == code)?;
    Some((code, subject.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issues::tests::issue;

    #[test]
    fn a_name_is_read_back_and_good_in_a_path() {
        for subject in ["account/a1/p", "connection", "invoice-number/Größe #7?/x", "", &"9".repeat(900)] {
            let name = issue(subject, Code::HeldZero).name();
            assert_eq!(parse(&name).unwrap(), (Code::HeldZero, subject.to_owned()));
            assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)), "{name}");
        }
    }

    #[test]
    fn what_is_no_name_names_nothing() {
        let unknown = format!("iss_{}", BASE64_URL_SAFE_NO_PAD.encode("no_such_code/connection"));
        for name in ["", "iss_", "iss_!", "iss_aGVsZF96ZXJv", &unknown, &format!("iss_{}", "A".repeat(2_000))] {
            assert_eq!(parse(name).unwrap_err().code(), Some(Code::NotFound), "{name}");
        }
    }
}
