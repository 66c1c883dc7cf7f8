//! Holds `template.yaml` to the numbers and rules of the architecture.

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The most that a function behind the HTTP API may take: the gateway gives up after 30 s.
const API_TIMEOUT_S: u64 = 29;
const DISPATCHER_TIMEOUT_S: u64 = 60;
const WORKER_TIMEOUT_S: u64 = 300;
const VISIBILITY_S: u64 = 1_800;
const RECEIVE_COUNT_MAX: u64 = 3;

/// The root of the workspace.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("tests/it lies two folders below the root").to_owned()
}

/// `template.yaml`, with short tags in their long form: `!Ref X` as `{"Ref": "X"}`.
pub fn template() -> Value {
    let text = std::fs::read_to_string(root().join("template.yaml")).expect("the template is readable");
    long_form(serde_norway::from_str(&text).expect("the template is YAML"))
}

fn long_form(value: serde_norway::Value) -> Value {
    use serde_norway::Value as Yaml;
    match value {
        Yaml::Tagged(tagged) => {
            let name = tagged.tag.to_string().trim_start_matches('!').to_owned();
            let inner = long_form(tagged.value);
            match (name.as_str(), inner) {
                ("Ref" | "Condition", inner) => json!({ name: inner }),
                ("GetAtt", Value::String(path)) => {
                    let (logical, attribute) = path.split_once('.').expect("!GetAtt names an attribute");
                    json!({ "Fn::GetAtt": [logical, attribute] })
                }
                (_, inner) => json!({ format!("Fn::{name}"): inner }),
            }
        }
        Yaml::Sequence(items) => items.into_iter().map(long_form).collect(),
        Yaml::Mapping(members) => Value::Object(
            members
                .into_iter()
                .map(|(key, value)| (key.as_str().expect("keys are strings").to_owned(), long_form(value)))
                .collect::<Map<_, _>>(),
        ),
        plain => serde_json::to_value(plain).expect("scalars are JSON"),
    }
}

/// The resources of one type, by logical id.
pub fn resources<'a>(template: &'a Value, of_type: &str) -> BTreeMap<&'a str, &'a Value> {
    let all = template["Resources"].as_object().expect("there are resources");
    let found: BTreeMap<_, _> = all
        .iter()
        .filter(|(_, resource)| resource["Type"] == of_type)
        .map(|(id, resource)| (id.as_str(), &resource["Properties"]))
        .collect();
    assert!(!found.is_empty(), "there is no {of_type}");
    found
}

fn functions(template: &Value) -> BTreeMap<&str, &Value> {
    resources(template, "AWS::Serverless::Function")
}

/// The function's name without the stack's.
fn short_name(function: &Value) -> &str {
    let name = function["FunctionName"]["Fn::Sub"].as_str().expect("functions have names");
    name.strip_prefix("${AWS::StackName}-").expect("names begin with the stack's")
}

/// The logical id that a `!Ref` or the first part of a `!GetAtt` names.
fn target(value: &Value) -> Option<&str> {
    value["Ref"].as_str().or_else(|| value["Fn::GetAtt"][0].as_str())
}

/// Every string below a value, keys included.
fn strings<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(members) => members.iter().for_each(|(key, member)| {
            found.push(key);
            strings(member, found);
        }),
        _ => {}
    }
}

/// Functions that API Gateway calls, by logical id.
fn behind_the_api(template: &Value) -> BTreeSet<&str> {
    resources(template, "AWS::ApiGatewayV2::Integration")
        .values()
        .map(|integration| target(&integration["IntegrationUri"]).expect("integrations name a function"))
        .collect()
}

/// (function, queue, properties) of each event source mapping.
fn consumers(template: &Value) -> Vec<(&str, &str, &Value)> {
    let mut found = Vec::new();
    for (id, function) in functions(template) {
        for event in function["Events"].as_object().into_iter().flat_map(|events| events.values()) {
            assert_eq!(event["Type"], "SQS", "{id}: HTTP routes and rules are native resources");
            let properties = &event["Properties"];
            found.push((id, target(&properties["Queue"]).expect("a queue of ours"), properties));
        }
    }
    assert!(!found.is_empty());
    found
}

fn queues(template: &Value) -> (BTreeMap<&str, &Value>, BTreeMap<&str, &Value>) {
    resources(template, "AWS::SQS::Queue").into_iter().partition(|(_, queue)| !queue["RedrivePolicy"].is_null())
}

/// Alarms by (metric, logical id of the resource or group they watch).
fn alarms(template: &Value) -> BTreeMap<(&str, &str), &Value> {
    resources(template, "AWS::CloudWatch::Alarm")
        .values()
        .map(|alarm| {
            let metric = alarm["MetricName"].as_str().expect("alarms name a metric");
            ((metric, target(&alarm["Dimensions"][0]["Value"]).unwrap_or("-")), *alarm)
        })
        .collect()
}

#[test]
fn every_function_is_a_binary_of_its_crate_and_every_binary_is_a_function() {
    let template = template();
    let all = template["Resources"].as_object().unwrap();
    let mut deployed = BTreeSet::new();
    for (id, function) in functions(&template) {
        let binary = all[id]["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap();
        assert_eq!(all[id]["Metadata"]["BuildMethod"], "rust-cargolambda", "{id}");
        assert_eq!(short_name(function), binary, "{id}: a function bears its binary's name");
        deployed.insert((function["CodeUri"].as_str().unwrap().to_owned(), binary.to_owned()));
    }
    let mut built = BTreeSet::new();
    for folder in std::fs::read_dir(root().join("functions")).unwrap() {
        let folder = folder.unwrap();
        let manifest: toml::Table = std::fs::read_to_string(folder.path().join("Cargo.toml")).unwrap().parse().unwrap();
        for bin in manifest["bin"].as_array().unwrap() {
            let crate_folder = format!("functions/{}", folder.file_name().to_str().unwrap());
            built.insert((crate_folder, bin["name"].as_str().unwrap().to_owned()));
        }
    }
    assert_eq!(deployed, built);
}

#[test]
fn functions_have_the_time_that_their_callers_give_them() {
    let template = template();
    let api = behind_the_api(&template);
    let workers: BTreeSet<_> = consumers(&template).iter().map(|(function, ..)| *function).collect();
    for (id, function) in functions(&template) {
        let timeout = function["Timeout"].as_u64().unwrap();
        if api.contains(id) {
            assert_eq!(timeout, API_TIMEOUT_S, "{id}");
        } else if workers.contains(id) {
            assert_eq!(timeout, WORKER_TIMEOUT_S, "{id}");
        } else {
            assert_eq!(timeout, DISPATCHER_TIMEOUT_S, "{id}");
        }
    }
    assert_eq!(functions(&template).len(), api.len() + workers.len() + 7, "and seven that rules start");
}

#[test]
fn a_request_to_autotask_fits_into_a_workers_time() {
    let template = template();
    let millis = &template["Globals"]["Function"]["Environment"]["Variables"]["REQUEST_TIMEOUT_MS"];
    assert_eq!(millis, 60_000);
    // What the worker must have left before it sends (the request's time-out and 15 s), and as much again to
    // load the run before and to put the rest off after.
    assert!(WORKER_TIMEOUT_S * 1_000 >= 2 * (millis.as_u64().unwrap() + 15_000));
}

#[test]
fn a_message_that_comes_back_or_is_put_off_finds_its_line_ready_to_settle() {
    let settled = (domain::units::SEND_WINDOW + domain::units::SETTLE).unsigned_abs();
    assert!(settled.as_secs() < VISIBILITY_S, "a killed run's message comes back when its intents can be judged");
    assert!(settled < domain::ports::DELAY_MAX, "one delayed message spans the wait");
    assert!(domain::units::SKEW < domain::units::SEND_WINDOW, "there is time left to send in");
}

#[test]
fn every_queue_redrives_to_its_own_dead_letter_queue() {
    let template = template();
    let (working, dead) = queues(&template);
    let mut taken = BTreeSet::new();
    for (id, queue) in &working {
        assert_eq!(queue["VisibilityTimeout"], VISIBILITY_S, "{id}");
        assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"], RECEIVE_COUNT_MAX, "{id}");
        let letters = target(&queue["RedrivePolicy"]["deadLetterTargetArn"]).unwrap();
        assert!(dead.contains_key(letters), "{id}: {letters} is no dead-letter queue");
        assert!(taken.insert(letters), "{letters} serves two queues");
    }
    const { assert!(VISIBILITY_S >= 6 * WORKER_TIMEOUT_S, "AWS asks for six times the function's time-out") };
    for (id, queue) in working.iter().chain(&dead) {
        assert_eq!(queue["SqsManagedSseEnabled"], true, "{id}");
        assert_eq!(
            queue["MessageRetentionPeriod"], 1_209_600,
            "{id}: dead letters keep the time of their first sending"
        );
    }
}

#[test]
fn every_queue_has_an_alarm() {
    let template = template();
    let (working, dead) = queues(&template);
    let alarms = alarms(&template);
    for id in working.keys() {
        assert!(alarms.contains_key(&("ApproximateAgeOfOldestMessage", *id)), "{id}: no alarm on its age");
    }
    for id in dead.keys() {
        let alarm = alarms.get(&("ApproximateNumberOfMessagesVisible", *id));
        let alarm = alarm.unwrap_or_else(|| panic!("{id}: no alarm on its depth"));
        assert_eq!((&alarm["Threshold"], &alarm["ComparisonOperator"]), (&json!(0), &json!("GreaterThanThreshold")));
    }
}

#[test]
fn every_queue_has_one_consumer_and_only_deliveries_of_webhooks_come_in_batches() {
    let template = template();
    let (working, _) = queues(&template);
    let mut consumed = BTreeSet::new();
    for (id, queue, mapping) in consumers(&template) {
        assert!(consumed.insert(queue), "{queue} has two consumers");
        assert_eq!(mapping["BatchSize"], if queue == "WebhooksQueue" { 10 } else { 1 }, "{id}");
        assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{id}");
        assert!(target(&mapping["ScalingConfig"]["MaximumConcurrency"]).is_some(), "{id}: no maximum concurrency");
    }
    assert_eq!(consumed, working.keys().copied().collect());
}

#[test]
fn every_function_has_a_log_group_with_retention_and_an_alarm() {
    let template = template();
    let groups = resources(&template, "AWS::Logs::LogGroup");
    let alarms = alarms(&template);
    for (id, function) in functions(&template) {
        let group = target(&function["LoggingConfig"]["LogGroup"]).unwrap();
        let name = groups[group]["LogGroupName"]["Fn::Sub"].as_str().unwrap();
        assert_eq!(name, format!("/aws/lambda/${{AWS::StackName}}-{}", short_name(function)));
        assert!(alarms.contains_key(&("Errors", id)), "{id}: no alarm on errors");
    }
    for (id, group) in groups {
        assert_eq!(group["RetentionInDays"], json!({"Ref": "LogRetentionDays"}), "{id}");
    }
}

#[test]
fn every_alarm_tells_somebody_and_names_its_runbook() {
    let template = template();
    let runbook = std::fs::read_to_string(root().join("infra/README.md")).unwrap().to_lowercase();
    for (id, alarm) in resources(&template, "AWS::CloudWatch::Alarm") {
        assert_eq!(alarm["AlarmActions"], json!([{"Ref": "AlarmTopic"}]), "{id}");
        let text = alarm["AlarmDescription"].as_str().unwrap();
        let (_, section) = text.split_once("Runbook: infra/README.md, ").unwrap_or_else(|| panic!("{id}: {text}"));
        let heading = format!("### {}", section.to_lowercase());
        assert!(runbook.contains(&heading), "{id}: the runbook has no section {section:?}");
    }
}

#[test]
fn what_the_logs_are_counted_for_has_alarms_and_is_logged() {
    let template = template();
    let alarms = alarms(&template);
    let sources = sources();
    for (id, filter) in resources(&template, "AWS::Logs::MetricFilter") {
        let metric = filter["MetricTransformations"][0]["MetricName"].as_str().unwrap();
        assert!(alarms.contains_key(&(metric, "-")), "{id}: nothing watches {metric}");
        let pattern = filter["FilterPattern"].as_str().unwrap();
        let field = pattern.split("$.").nth(1).and_then(|rest| rest.split([' ', '=']).next()).unwrap();
        assert!(sources.contains(field), "{id}: no code logs the field `{field}`");
    }
    let missed = alarms[&("SeatSyncTicks", "-")];
    assert_eq!(missed["TreatMissingData"], "breaching", "a tick that never came leaves no data");
    assert!(alarms.contains_key(&("UnknownOutcomes", "-")));
}

/// The text of all our crates.
fn sources() -> String {
    fn collect(folder: PathBuf, text: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut text = String::new();
    ["functions", "shared"].iter().for_each(|folder| collect(root().join(folder), &mut text));
    text
}

#[test]
fn no_role_may_do_everything_or_touch_what_is_not_ours() {
    let template = template();
    let roles = resources(&template, "AWS::IAM::Role");
    let mut owners = BTreeSet::new();
    for (id, function) in functions(&template) {
        assert!(owners.insert(target(&function["Role"]).unwrap()), "{id} shares its role");
    }
    assert_eq!(owners, roles.keys().copied().collect());
    for (id, role) in roles {
        assert!(role["ManagedPolicyArns"].is_null(), "{id}: managed policies grant more than is needed");
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap() {
            assert_eq!(statement["Effect"], "Allow", "{id}");
            let actions: Vec<_> = statement["Action"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            for action in &actions {
                assert!(!action.contains('*') && action.contains(':'), "{id}: {action}");
            }
            let unscoped = statement["Resource"].as_array().unwrap().contains(&json!("*"));
            assert!(!unscoped || actions == ["secretsmanager:ListSecrets"], "{id}: {actions:?} on everything");
        }
    }
    // What is denied may be everything.
    let mut granted = template["Resources"].clone();
    without_denials(&mut granted);
    let mut all = Vec::new();
    strings(&granted, &mut all);
    assert!(all.iter().all(|text| !text.ends_with(":*")), "an action or a principal of everything");
}

fn without_denials(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.retain(|item| item["Effect"] != "Deny");
            items.iter_mut().for_each(without_denials);
        }
        Value::Object(members) => members.values_mut().for_each(without_denials),
        _ => {}
    }
}

#[test]
fn roles_grant_the_calls_that_the_store_makes_and_no_others() {
    // Lambda itself makes these for the function.
    let by_lambda =
        ["logs:", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];
    let sources = sources();
    let template = template();
    let mut granted = BTreeSet::new();
    for role in resources(&template, "AWS::IAM::Role").values() {
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap() {
            granted.extend(statement["Action"].as_array().unwrap().iter().filter_map(Value::as_str));
        }
    }
    let granted: BTreeSet<_> =
        granted.into_iter().filter(|action| !by_lambda.iter().any(|other| action.starts_with(other))).collect();
    // The parts of a transaction are authorised one by one; there is no action for the whole.
    let calls = |action: &str| match action {
        "dynamodb:ConditionCheckItem" => "transact_write_items()".to_owned(),
        // A mail that is given as it travels needs both rights.
        "ses:SendRawEmail" => "send_email()".to_owned(),
        // Not the SDK's: a link is signed for a GET.
        "s3:PutObject" => "store.put_opts(".to_owned(),
        "s3:DeleteObject" => "store.delete(".to_owned(),
        "s3:GetObject" => "signed_url(Method::GET".to_owned(),
        other => snake(other.split_once(':').unwrap().1) + "()",
    };
    let unused: Vec<_> = granted.iter().filter(|action| !sources.contains(&calls(action))).collect();
    assert!(unused.is_empty(), "granted and never called: {unused:?}");
    for action in SDK_ACTIONS {
        assert!(!sources.contains(&calls(action)) || granted.contains(action), "called and never granted: {action}");
    }
}

/// Calls of the SDK that the store might make.
const SDK_ACTIONS: &[&str] = &[
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:UpdateItem",
    "events:PutEvents",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:PutObject",
    "secretsmanager:BatchGetSecretValue",
    "secretsmanager:CreateSecret",
    "secretsmanager:DeleteSecret",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:ListSecretVersionIds",
    "secretsmanager:ListSecrets",
    "secretsmanager:PutSecretValue",
    "secretsmanager:RestoreSecret",
    "secretsmanager:TagResource",
    "secretsmanager:UpdateSecret",
    "secretsmanager:UpdateSecretVersionStage",
    "ses:SendEmail",
    "sqs:SendMessage",
];

/// `PutItem` as `put_item`.
fn snake(text: &str) -> String {
    let mut snake = String::new();
    for letter in text.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[test]
fn a_role_grants_what_its_function_asks_for_when_it_starts() {
    let template = template();
    let all = template["Resources"].as_object().unwrap();
    for (id, function) in functions(&template) {
        let folder = root().join(function["CodeUri"].as_str().unwrap());
        let manifest: toml::Table = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
        let bins = manifest["bin"].as_array().unwrap();
        let bin = bins.iter().find(|bin| bin["name"].as_str() == Some(short_name(function))).unwrap();
        let main = std::fs::read_to_string(folder.join(bin["path"].as_str().unwrap())).unwrap();
        let role = all[target(&function["Role"]).unwrap()].to_string();
        let connections_secrets = role.contains(":secret:${AWS::StackName}/");
        for (need, granted) in [
            (".secrets()", connections_secrets),
            (".queues()", role.contains("\"Send\"")),
            (".events()", role.contains("events:PutEvents")),
            (".mail()", role.contains("ses:SendEmail")),
            (".blobs()", role.contains("${PdfBucket.Arn}/pdf/*")),
            ("Needs::http()", role.contains("\"CursorKey\"")),
            (".hook", role.contains("\"HookMaster\"")),
        ] {
            assert_eq!(main.contains(need), granted, "{id}: asks for {need}: {}, may: {granted}", main.contains(need));
        }
        assert!(role.contains("dynamodb:GetItem"), "{id}");
    }
}

#[test]
fn only_the_secrets_keepers_may_write_secrets_and_only_below_the_stacks_prefix() {
    let template = template();
    for (id, role) in resources(&template, "AWS::IAM::Role") {
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap() {
            let text = statement.to_string();
            if text.contains("CreateSecret") || text.contains("PutSecretValue") {
                assert_eq!(id, "ConnectRole");
            }
            if text.contains("DeleteSecret") {
                assert!(["ConnectRole", "SeatSyncDispatcherRole"].contains(&id), "{id}");
            }
            if text.contains("SecretValue") || text.contains("DeleteSecret") {
                let of_stack = ["CursorKey", "HookMaster"].map(|key| json!([{ "Ref": key }]));
                assert!(
                    of_stack.contains(&statement["Resource"]) || text.contains(":secret:${AWS::StackName}/"),
                    "{id}: {text}"
                );
            }
        }
    }
}

#[test]
fn the_one_function_that_anybody_may_call_can_do_next_to_nothing() {
    let template = template();
    let open: BTreeSet<_> = resources(&template, "AWS::ApiGatewayV2::Route")
        .values()
        .filter(|route| route["AuthorizationType"] != "JWT")
        .map(|route| (route["RouteKey"].as_str().unwrap(), route["Target"]["Fn::Sub"].as_str().unwrap()))
        .collect();
    let receiver = "integrations/${WebhookReceiveIntegration}";
    assert_eq!(
        open,
        BTreeSet::from([
            ("POST /hooks/autotask/{hook_token}", receiver),
            ("POST /hooks/autotask/{hook_token}/deactivated", receiver),
        ])
    );
    let role = resources(&template, "AWS::IAM::Role")["WebhookReceiveRole"];
    let statements = role["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap();
    let mut may: Vec<_> = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap()).collect();
    may.retain(|action| !action.as_str().unwrap().starts_with("logs:"));
    assert_eq!(may, ["secretsmanager:GetSecretValue", "dynamodb:GetItem", "dynamodb:PutItem", "sqs:SendMessage"]);
}

#[test]
fn files_are_private_encrypted_kept_and_written_by_one_function_only() {
    let template = template();
    let bucket = &template["Resources"]["PdfBucket"];
    assert_eq!((&bucket["DeletionPolicy"], &bucket["UpdateReplacePolicy"]), (&json!("Retain"), &json!("Retain")));
    let properties = &bucket["Properties"];
    let blocked = properties["PublicAccessBlockConfiguration"].as_object().unwrap();
    assert!(blocked.len() == 4 && blocked.values().all(|value| *value == true), "{blocked:?}");
    let encryption = &properties["BucketEncryption"]["ServerSideEncryptionConfiguration"][0];
    assert_eq!(encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"], "AES256");
    let policy = resources(&template, "AWS::S3::BucketPolicy")["PdfBucketPolicy"];
    let only = &policy["PolicyDocument"]["Statement"][0];
    assert_eq!((&only["Effect"], &only["Action"], &only["Principal"]), (&json!("Deny"), &json!("s3:*"), &json!("*")));
    assert_eq!(only["Condition"], json!({"Bool": {"aws:SecureTransport": "false"}}));
    let resources_named: Vec<_> = only["Resource"].as_array().unwrap().iter().map(Value::to_string).collect();
    assert!(resources_named.len() == 2 && resources_named[1].contains("${PdfBucket.Arn}/*"), "{resources_named:?}");
    for (id, role) in resources(&template, "AWS::IAM::Role") {
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap() {
            let text = statement.to_string();
            if text.contains("s3:") {
                assert_eq!(statement["Resource"], json!([{"Fn::Sub": "${PdfBucket.Arn}/pdf/*"}]), "{id}");
                let may = match id {
                    "InvoicePdfWorkerRole" => json!(["s3:DeleteObject", "s3:PutObject"]),
                    "ConnectRole" => json!(["s3:DeleteObject"]),
                    "InvoicesRole" => json!(["s3:GetObject"]),
                    other => panic!("{other} may touch files"),
                };
                assert_eq!(statement["Action"], may, "{id}");
            }
        }
    }
}

#[test]
fn every_rule_retries_keeps_what_fails_and_may_call_its_function() {
    let template = template();
    let permissions: BTreeSet<_> = resources(&template, "AWS::Lambda::Permission")
        .values()
        .filter_map(|permission| Some((target(&permission["SourceArn"])?, target(&permission["FunctionName"])?)))
        .collect();
    let mut started = BTreeSet::new();
    for (id, rule) in resources(&template, "AWS::Events::Rule") {
        let aim = &rule["Targets"][0];
        let function = target(&aim["Arn"]).unwrap();
        started.insert(function);
        assert!(permissions.contains(&(id, function)), "{id} may not call {function}");
        assert!(target(&aim["DeadLetterConfig"]["Arn"]).is_some(), "{id}");
        assert!(aim["RetryPolicy"]["MaximumEventAgeInSeconds"].is_u64(), "{id}");
    }
    for function in started {
        let invoke = &functions(&template)[function]["EventInvokeConfig"];
        assert!(target(&invoke["DestinationConfig"]["OnFailure"]["Destination"]).is_some(), "{function}");
    }
}

#[test]
fn the_schedules_fire_the_jobs_that_the_dispatcher_knows() {
    let template = template();
    let jobs: BTreeMap<_, _> = resources(&template, "AWS::Events::Rule")
        .values()
        .filter(|rule| !rule["ScheduleExpression"].is_null())
        .map(|rule| {
            let input = rule["Targets"][0]["InputTransformer"]["InputTemplate"].as_str().unwrap();
            let tick: Value = serde_json::from_str(&input.replace("<time>", "\"2026-12-01T00:15:00Z\"")).unwrap();
            assert_eq!(tick["time"], "2026-12-01T00:15:00Z");
            (tick["job"].as_str().unwrap().to_owned(), rule["ScheduleExpression"].as_str().unwrap().to_owned())
        })
        .collect();
    let expected = [
        ("seat-sync", "cron(15 * * * ? *)"),
        ("package-changes", "rate(15 minutes)"),
        ("sweep", "rate(5 minutes)"),
        ("payments", "rate(5 minutes)"),
        ("notify", "rate(15 minutes)"),
        ("probe", "cron(40 3 * * ? *)"),
        ("watch", "cron(20 2 * * ? *)"),
        ("health", "cron(5 * * * ? *)"),
        ("secrets-sweep", "cron(50 4 * * ? *)"),
        ("invoice-fetch", "rate(5 minutes)"),
        ("webhook-heal", "rate(1 hour)"),
    ];
    assert_eq!(jobs, expected.map(|(job, when)| (job.to_owned(), when.to_owned())).into());
}

#[test]
fn the_rule_for_our_own_events_lets_through_what_is_heard_and_nothing_else() {
    let template = template();
    let pattern = &resources(&template, "AWS::Events::Rule")["OwnEventsRule"]["EventPattern"];
    assert_eq!(pattern["source"], json!([store::bus::SOURCE]));
    let issues: Vec<_> = domain::notify::HEARS_ISSUES.iter().map(|(code, _)| code.as_str()).collect();
    let heard = json!([
        {"detail-type": domain::notify::HEARS},
        {"detail-type": [domain::notify::ISSUE_OPENED], "detail": {"data": {"code": issues}}},
    ]);
    assert_eq!(pattern["$or"], heard);
    for kind in domain::notify::HEARS {
        assert!(notify::hears(kind, &json!({})), "{kind}");
    }
    let issue = |code: &str| notify::hears(domain::notify::ISSUE_OPENED, &json!({"data": {"code": code}}));
    assert!(issue("contract_ended") && !issue("rejected_by_autotask") && !notify::hears("invoice.paid", &json!({})));
}

#[test]
fn mails_leave_from_the_deployments_address_only() {
    let template = template();
    let mut senders = BTreeSet::new();
    for (id, role) in resources(&template, "AWS::IAM::Role") {
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap() {
            if statement["Action"].to_string().contains("ses:") {
                senders.insert(id);
                assert_eq!(statement["Condition"], json!({"StringEquals": {"ses:FromAddress": {"Ref": "MailFrom"}}}));
            }
        }
    }
    assert_eq!(senders, BTreeSet::from(["NotifyDigestRole", "NotifyEventsRole", "NotifyRole"]));
}

#[test]
fn the_table_is_kept_and_can_be_restored() {
    let template = template();
    let table = &template["Resources"]["Table"];
    assert_eq!((&table["DeletionPolicy"], &table["UpdateReplacePolicy"]), (&json!("Retain"), &json!("Retain")));
    let properties = &table["Properties"];
    assert_eq!(properties["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
}

#[test]
fn the_table_has_the_shape_that_the_store_wants() {
    let template = template();
    let table = &template["Resources"]["Table"]["Properties"];
    let shape = store::table::definition();
    let keys = |pk: &str, sk: &str| json!([{"AttributeName": pk, "KeyType": "HASH"}, {"AttributeName": sk, "KeyType": "RANGE"}]);
    let attributes: Value =
        shape.attributes.iter().map(|name| json!({"AttributeName": name, "AttributeType": "S"})).collect();
    let indexes: Value = shape
        .indexes
        .iter()
        .map(|(name, pk, sk)| {
            json!({"IndexName": name, "KeySchema": keys(pk, sk), "Projection": {"ProjectionType": "ALL"}})
        })
        .collect();
    assert_eq!(table["AttributeDefinitions"], attributes);
    assert_eq!(table["KeySchema"], keys(shape.key.0, shape.key.1));
    assert_eq!(table["GlobalSecondaryIndexes"], indexes);
    assert_eq!(table["TimeToLiveSpecification"], json!({"AttributeName": shape.ttl, "Enabled": true}));
}

#[test]
fn every_environment_variable_is_known_to_the_app_and_every_reference_exists() {
    let template = template();
    let variables = template["Globals"]["Function"]["Environment"]["Variables"].as_object().unwrap();
    let sources = sources();
    for name in variables.keys() {
        assert!(sources.contains(&format!("\"{name}\"")), "nothing reads {name}");
    }
    let known: BTreeSet<_> = ["Resources", "Parameters"]
        .iter()
        .flat_map(|section| template[section].as_object().unwrap().keys())
        .map(String::as_str)
        .collect();
    let mut unknown = Vec::new();
    references(&template, &mut |name| {
        if !name.starts_with("AWS::") && !known.contains(name) {
            unknown.push(name.to_owned());
        }
    });
    assert_eq!(unknown, Vec::<String>::new());
}

fn references(value: &Value, found: &mut dyn FnMut(&str)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(members) => {
            if let Some(name) = target(value) {
                found(name);
            }
            members.values().for_each(|member| references(member, found));
        }
        _ => {}
    }
}

#[test]
fn a_caller_without_a_token_reaches_no_route() {
    let template = template();
    let authorizers = resources(&template, "AWS::ApiGatewayV2::Authorizer");
    for (id, route) in resources(&template, "AWS::ApiGatewayV2::Route") {
        // Autotask has none; what it reaches can do next to nothing, which another test holds.
        if route["RouteKey"].as_str().is_some_and(|key| key.starts_with("POST /hooks/autotask/{hook_token}")) {
            continue;
        }
        assert_eq!(route["AuthorizationType"], "JWT", "{id}");
        assert!(authorizers.contains_key(target(&route["AuthorizerId"]).unwrap()), "{id}");
        let key = route["RouteKey"].as_str().unwrap();
        assert!(!key.contains("{proxy+}") && !key.contains("$default"), "{id}: {key}");
    }
}
