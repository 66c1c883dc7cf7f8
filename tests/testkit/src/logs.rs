//! Everything that is logged in this process, for tests that look for what must not be there.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Most bytes that are kept; then the older half goes.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// More than production logs: our crates at debug, everybody else as there.
const FILTER: &str = "debug,aws_config=warn,aws_runtime=warn,aws_smithy_runtime=warn,aws_smithy_runtime_api=warn,\
    aws_smithy_http_client=warn,aws_sdk_dynamodb=warn,h2=warn,hyper=warn,hyper_util=warn,rustls=warn,reqwest=warn,\
    dynoxide=warn,tower=warn";

/// The log of this process, over all worlds: a test looks for words of its own.
#[derive(Debug, Clone, Default)]
pub struct Logs(Arc<Mutex<Vec<u8>>>);

impl Logs {
    /// Starts writing down, once per process.
    pub(crate) fn start() -> Self {
        static LOGS: OnceLock<Logs> = OnceLock::new();
        LOGS.get_or_init(|| {
            let logs = Logs::default();
            let json = tracing_subscriber::fmt::layer().json().with_writer(logs.clone());
            // A test that brings a subscriber of its own has its own log, too.
            let filter: Targets = FILTER.parse().expect("the filter is a constant");
            let _ = tracing_subscriber::registry().with(filter).with(json).try_init();
            logs
        })
        .clone()
    }

    /// What was logged so far, one JSON object per line.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// The lines that hold this text.
    #[must_use]
    pub fn lines_with(&self, text: &str) -> Vec<String> {
        self.text().lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

impl Write for &Logs {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() > BYTES_MAX {
            kept.drain(..BYTES_MAX / 2);
        }
        kept.extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Logs {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        (&*self).write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Logs {
    type Writer = Logs;

    fn make_writer(&self) -> Logs {
        self.clone()
    }
}
