//! Logs: one JSON object per line on Lambda, as `AWS_LAMBDA_LOG_FORMAT` and `AWS_LAMBDA_LOG_LEVEL` say.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Below this level other people's crates only speak where ours are told to trace: at `debug` the SDK
/// and hyper print whole requests, and with them credentials.
const QUIET: &str = "aws_config=warn,aws_runtime=warn,aws_smithy_runtime=warn,aws_smithy_runtime_api=warn,\
    aws_smithy_http_client=warn,aws_sdk_dynamodb=warn,aws_sdk_secretsmanager=warn,aws_sdk_sqs=warn,\
    aws_sdk_eventbridge=warn,h2=warn,hyper=warn,hyper_util=warn,rustls=warn,reqwest=warn,lambda_runtime=info,\
    lambda_runtime_api_client=warn";

/// Starts logging, once per process. A second call changes nothing.
pub(crate) fn start(format: Option<&str>, level: Option<&str>) {
    let level = match level.unwrap_or("INFO").to_ascii_lowercase().as_str() {
        level @ ("trace" | "debug" | "info" | "warn" | "error") => level.to_owned(),
        "fatal" => "error".to_owned(),
        _ => "info".to_owned(),
    };
    let filter = format!("{level},{QUIET}").parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    let registry = tracing_subscriber::registry().with(filter);
    let text = format.is_some_and(|format| format.eq_ignore_ascii_case("text"));
    let started = if text {
        registry.with(tracing_subscriber::fmt::layer().with_ansi(false).with_span_events(FmtSpan::NONE)).try_init()
    } else {
        let json =
            tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(true).with_current_span(false);
        registry.with(json).try_init()
    };
    if started.is_ok() {
        log_panics();
    }
}

/// A panic is one line like any other failure, inside the span of the request it ended.
fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(panic.place = place, "panicked");
    }));
}
