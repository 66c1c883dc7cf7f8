use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use serde::Deserialize;

use crate::answer;
use crate::error::{Error, Result};

/// Largest PDF that is taken, in bytes: what Autotask allows a single attachment. It names no bound for
/// the PDFs of invoices.
pub const INVOICE_PDF_MAX: usize = 7 * 1024 * 1024;

/// The PDF of an invoice, as [`Client::invoice_pdf`](crate::Client::invoice_pdf) answers it.
///
/// What Autotask says of it and what it is may differ: who keeps it compares.
#[derive(Clone, PartialEq, Eq)]
pub struct InvoicePdf {
    /// Name of the file. Foreign text: no path.
    pub file_name: Option<String>,
    /// Type, e.g. `application/pdf`.
    pub content_type: Option<String>,
    /// How many bytes Autotask says it has.
    pub declared_size: Option<i64>,
    /// The file.
    pub bytes: Vec<u8>,
}

impl InvoicePdf {
    /// Whether the file begins as every PDF does, and whether it has as many bytes as was declared.
    pub fn is_whole_pdf(&self) -> bool {
        let size = i64::try_from(self.bytes.len()).unwrap_or(i64::MAX);
        self.bytes.starts_with(b"%PDF-") && self.declared_size.is_none_or(|declared| declared == size)
    }
}

// An invoice is for its customer, not for logs.
impl fmt::Debug for InvoicePdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvoicePdf")
            .field("content_type", &self.content_type)
            .field("declared_size", &self.declared_size)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// Base64 as .NET may write it in JSON, and as it is meant. Both are the same JSON.
const ESCAPED: &[(&[u8], u8)] = &[
    (b"\\u002b", b'+'),
    (b"\\u002B", b'+'),
    (b"\\u002f", b'/'),
    (b"\\u002F", b'/'),
    (b"\\/", b'/'),
    (b"\\u003d", b'='),
    (b"\\u003D", b'='),
];

/// The same JSON without the escapes that base64 can have, so that its text can be decoded where it
/// lies. Nothing is copied if the body is nobody else's.
pub(crate) fn plain_base64(body: Bytes) -> Bytes {
    if !body.contains(&b'\\') {
        return body;
    }
    let mut body = BytesMut::from(body);
    let (mut from, mut to) = (0, 0);
    while from < body.len() {
        let (byte, taken) = match ESCAPED.iter().find(|(escape, _)| body[from..].starts_with(escape)) {
            Some((escape, byte)) => (*byte, escape.len()),
            None => (body[from], 1),
        };
        body[to] = byte;
        (from, to) = (from + taken, to + 1);
        // Of `\\u002b` the first two belong together, and the rest is text.
        if taken == 1 && byte == b'\\' && from < body.len() {
            body[to] = body[from];
            (from, to) = (from + 1, to + 1);
        }
    }
    body.truncate(to);
    body.freeze()
}

#[derive(Deserialize)]
struct Answer<'a> {
    // Required: `null` says that there is no such invoice, an answer without it says nothing.
    #[serde(borrow, deserialize_with = "Option::deserialize")]
    item: Option<Item<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    #[serde(default, with = "crate::wire::optional")]
    file_name: Option<String>,
    #[serde(default, with = "crate::wire::optional")]
    content_type: Option<String>,
    #[serde(default, with = "crate::wire::optional")]
    file_size: Option<i64>,
    #[serde(default, borrow)]
    data: Option<&'a str>,
}

/// Reads the answer to `GET Invoices/{id}/InvoicePdf`, made plain before.
pub(crate) fn read(body: &[u8]) -> Result<InvoicePdf> {
    if answer::is_html(body) {
        return Err(Error::malformed("it is a web page"));
    }
    let answer: Answer = serde_json::from_slice(answer::unmarked(body))
        .map_err(|error| Error::bad_json("it is not the JSON of a file", &error))?;
    let item = answer.item.ok_or(Error::NotFound { texts: Vec::new() })?;
    let data = item.data.filter(|data| !data.is_empty()).ok_or_else(|| Error::malformed("the file has no data"))?;
    let too_large = || Error::out_of_bounds(format!("the file is larger than {INVOICE_PDF_MAX} bytes"));
    if data.len() > INVOICE_PDF_MAX.div_ceil(3) * 4 {
        return Err(too_large());
    }
    // The decoder's error quotes a byte of the file.
    let bytes = STANDARD.decode(data).map_err(|_| Error::malformed("the file's data is no base64"))?;
    if bytes.len() > INVOICE_PDF_MAX {
        return Err(too_large());
    }
    Ok(InvoicePdf { file_name: item.file_name, content_type: item.content_type, declared_size: item.file_size, bytes })
}
