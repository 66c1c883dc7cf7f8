//! The API's description and the template's routes are made from what the functions' routers declare.
//! `UPDATE_OPENAPI=1 cargo test -p it openapi` writes both; without it, these tests hold them to the routers.

use crate::template::{resources, root, template};
use runtime::App;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const BEGIN: &str = "  # routes:begin\n";
const END: &str = "  # routes:end\n";
const METHODS: &[&str] = &["get", "put", "post", "delete", "patch"];
const PROBLEM: &str = "application/problem+json";

/// A function behind the HTTP API.
struct Function {
    /// Its crate's and its binary's name.
    name: &'static str,
    router: axum::Router<App>,
    description: Value,
}

/// One method of one path.
type Operation = (String, String);

fn functions() -> Vec<Function> {
    let all = [
        ("connect", connect::routes().split_for_parts()),
        ("intake", intake::routes().split_for_parts()),
        ("map", map::routes().split_for_parts()),
        ("zone-discover", zone_discover::routes().split_for_parts()),
        ("runs", runs::routes().split_for_parts()),
        ("invoices", invoices::routes().split_for_parts()),
        ("payments", payments::routes().split_for_parts()),
        ("notify", notify::routes().split_for_parts()),
        ("ops", ops::routes().split_for_parts()),
        ("webhook-admin", webhook_admin::routes().split_for_parts()),
    ];
    all.into_iter()
        .map(|(name, (router, api))| Function { name, router, description: serde_json::to_value(api).unwrap() })
        .collect()
}

/// (method in capitals, path) to (function, description) of everything that a description names.
fn operations(functions: &[Function]) -> BTreeMap<Operation, (&'static str, Value)> {
    let mut found = BTreeMap::new();
    for function in functions {
        for (path, methods) in function.description["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                if !METHODS.contains(&method.as_str()) {
                    continue;
                }
                let key = (path.clone(), method.to_uppercase());
                let before = found.insert(key, (function.name, operation.clone()));
                assert!(before.is_none(), "{method} {path}: two functions serve it");
            }
        }
    }
    found
}

/// The whole description, of all functions together.
fn document(functions: &[Function]) -> Value {
    let schemas = schemas(functions);
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for ((path, method), (function, mut operation)) in operations(functions) {
        add_examples(&mut operation, &schemas);
        let members = operation.as_object_mut().unwrap();
        members.insert("tags".into(), json!([function]));
        add_common_parameters(members, &method);
        let responses = members.entry("responses").or_insert_with(|| json!({})).as_object_mut().unwrap();
        responses.entry("401").or_insert_with(|| json!({"$ref": "#/components/responses/Unauthorized"}));
        responses.entry("default").or_insert_with(|| json!({"$ref": "#/components/responses/Problem"}));
        paths.entry(path).or_default().insert(method.to_lowercase(), operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Autotask integration",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Connects the partners of a SaaS vendor to Autotask PSA: connect, map, and the monthly seat sync. \
                Every failure is a problem of RFC 9457 with a stable `code`, what it means for billing, and what to do; \
                only a missing or invalid token is answered by the gateway itself (401).",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [
            {"url": "https://{api}.execute-api.{region}.amazonaws.com", "description": "A deployment: `ApiUrl` of the stack's outputs",
             "variables": {"api": {"default": "api"}, "region": {"default": "eu-west-1"}}},
            {"url": "http://127.0.0.1:9400", "description": "cargo run -p local"},
        ],
        "security": [{"bearer": []}],
        "tags": functions.iter().map(|function| json!({"name": function.name})).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": common_parameters(),
            "responses": {"Unauthorized": {
                "description": "The gateway's own answer: the token is missing, forged or expired.",
                "content": {"application/json": {
                    "schema": {"type": "object", "properties": {"message": {"type": "string"}}},
                    "example": {"message": "Unauthorized"},
                }},
            },
            "Problem": {
                "description": "What went wrong, what it means for billing, and what to do.",
                "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/ProblemBody"}, "example": problem_example()}},
            }},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    })
}

fn problem_example() -> Value {
    let code = domain::Code::CompanyAlreadyMapped;
    json!({
        "type": format!("urn:problem:{}", code.as_str()),
        "title": code.title(),
        "status": 422,
        "detail": "Company 1001 is mapped to the account a7.",
        "code": code.as_str(),
        "effect": code.effect(),
        "action": code.action(),
        "retry": {"automatic": false, "after": null},
        "field": "company_id",
        "errors": [],
        "account_id": "a7",
        "reference": "req_0199a7c0b1f07c3e9d3f1f0a2b4c6d8e",
        "support": "support@vendor.example",
    })
}

/// The schemas of all functions; two of one name must be the same.
fn schemas(functions: &[Function]) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    let problem = <runtime::edge::ProblemBody as utoipa::PartialSchema>::schema();
    all.insert("ProblemBody".to_owned(), serde_json::to_value(problem).unwrap());
    let mut parts = Vec::new();
    <runtime::edge::ProblemBody as utoipa::ToSchema>::schemas(&mut parts);
    all.extend(parts.into_iter().map(|(name, schema)| (name, serde_json::to_value(schema).unwrap())));
    for function in functions {
        for (name, schema) in function.description["components"]["schemas"].as_object().into_iter().flatten() {
            let before = all.insert(name.clone(), schema.clone());
            let same = before.as_ref().is_none_or(|before| before == schema);
            assert!(same, "{}: another function has a different schema {name:?}", function.name);
        }
    }
    all
}

fn common_parameters() -> Value {
    let header = |name: &str, description: &str, schema: Value| json!({"name": name, "in": "header", "required": false, "description": description, "schema": schema});
    json!({
        "PartnerId": header("X-Partner-Id",
            "Which partner is meant. Vendor roles and `service` name it where a route is about one partner; partner \
             roles may leave it out, and any partner but their own is answered 404.", json!({"type": "string"})),
        "RequestId": header("X-Request-Id",
            "Echoed in the answer; the `reference` of a problem. Made up where it is absent.", json!({"type": "string"})),
        "IdempotencyKey": header("Idempotency-Key",
            "The answer to the first request with this key is given to every repetition for 24 hours.",
            json!({"type": "string"})),
    })
}

fn add_common_parameters(operation: &mut Map<String, Value>, method: &str) {
    let parameters = operation.entry("parameters").or_insert_with(|| json!([])).as_array_mut().unwrap();
    let mut wanted = vec![("X-Partner-Id", "PartnerId"), ("X-Request-Id", "RequestId")];
    if method == "POST" {
        wanted.push(("Idempotency-Key", "IdempotencyKey"));
    }
    for (header, name) in wanted {
        let declared =
            |parameter: &Value| parameter["name"].as_str().is_some_and(|each| each.eq_ignore_ascii_case(header));
        if !parameters.iter().any(declared) {
            parameters.push(json!({"$ref": format!("#/components/parameters/{name}")}));
        }
    }
}

/// Puts an example, made of those of the schema's fields, where the handler gives none of its own.
fn add_examples(operation: &mut Value, schemas: &BTreeMap<String, Value>) {
    let mut contents = Vec::new();
    let members = operation.as_object_mut().unwrap();
    for (name, part) in members.iter_mut() {
        match name.as_str() {
            "requestBody" => contents.extend(part.get_mut("content")),
            // An answer without a body has no content, and null would be none that OpenAPI knows.
            "responses" => {
                let answers = part.as_object_mut().unwrap().values_mut();
                contents.extend(answers.filter_map(|answer| answer.get_mut("content")));
            }
            _ => {}
        }
    }
    for media in contents.into_iter().filter_map(Value::as_object_mut).flat_map(|content| content.values_mut()) {
        if media["example"].is_null() && media["examples"].is_null() {
            match sample(&media["schema"], schemas) {
                Some(example) => media["example"] = example,
                // Indexing has put nulls there.
                None => media.as_object_mut().unwrap().retain(|_, member| !member.is_null()),
            }
        }
        media.as_object_mut().unwrap().retain(|_, member| !member.is_null());
    }
}

/// A value of a schema, made of the examples that its fields give; none where a required field gives none.
fn sample(schema: &Value, schemas: &BTreeMap<String, Value>) -> Option<Value> {
    if let Some(name) = schema["$ref"].as_str() {
        return sample(schemas.get(name.rsplit('/').next()?)?, schemas);
    }
    let own = ["example", "const", "default"]
        .iter()
        .map(|key| &schema[*key])
        .chain([&schema["examples"][0], &schema["enum"][0]]);
    if let Some(value) = own.into_iter().find(|value| !value.is_null()) {
        return Some(value.clone());
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[key].as_array() {
            return choices.iter().filter(|choice| choice["type"] != "null").find_map(|choice| sample(choice, schemas));
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut whole = Map::new();
        for part in parts {
            whole.extend(sample(part, schemas)?.as_object()?.clone());
        }
        return Some(Value::Object(whole));
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"].as_array()?.iter().find_map(|kind| kind.as_str()))?;
    match kind {
        "object" => {
            let required =
                |name: &String| schema["required"].as_array().is_some_and(|all| all.iter().any(|each| each == name));
            let mut members = Map::new();
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                match sample(property, schemas) {
                    Some(value) => _ = members.insert(name.clone(), value),
                    None if required(name) => return None,
                    None => {}
                }
            }
            Some(Value::Object(members))
        }
        "array" => Some(json!([sample(&schema["items"], schemas)?])),
        "boolean" => Some(json!(true)),
        "string" if schema["format"] == "date-time" => Some(json!("2026-12-01T00:15:00Z")),
        "string" if schema["format"] == "date" => Some(json!("2026-12-01")),
        _ => None,
    }
}

/// `zone-discover` as `ZoneDiscover`, `/v1/runs/{rid}/lines.csv` as `V1RunsRidLinesCsv`.
fn logical(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// The part of the template between its markers.
fn routes_section(functions: &[Function]) -> String {
    let mut text = String::new();
    for function in functions {
        let id = logical(function.name);
        write!(
            text,
            "\n  {id}Integration:\n    Type: AWS::ApiGatewayV2::Integration\n    Properties:\n      ApiId: !Ref HttpApi\n      \
             IntegrationType: AWS_PROXY\n      IntegrationUri: !GetAtt {id}Function.Arn\n      \
             PayloadFormatVersion: \"2.0\"\n\n  {id}ApiPermission:\n    Type: AWS::Lambda::Permission\n    Properties:\n      \
             FunctionName: !Ref {id}Function\n      Action: lambda:InvokeFunction\n      \
             Principal: apigateway.amazonaws.com\n      SourceArn: !Sub arn:${{AWS::Partition}}:execute-api:\
             ${{AWS::Region}}:${{AWS::AccountId}}:${{HttpApi}}/*\n"
        )
        .unwrap();
    }
    for ((path, method), (function, _)) in operations(functions) {
        let (id, integration) = (logical(&format!("{} {path}", method.to_lowercase())), logical(function));
        write!(
            text,
            "\n  {id}Route:\n    Type: AWS::ApiGatewayV2::Route\n    Properties:\n      ApiId: !Ref HttpApi\n      \
             RouteKey: {method} {path}\n      AuthorizationType: JWT\n      AuthorizerId: !Ref JwtAuthorizer\n      \
             Target: !Sub integrations/${{{integration}Integration}}\n"
        )
        .unwrap();
    }
    text + "\n"
}

/// Compares a committed file with what it should be, or writes it when told to.
fn hold(file: &str, wanted: &str) {
    let path = root().join(file);
    let is = std::fs::read_to_string(&path).unwrap_or_default();
    if is == wanted {
        return;
    }
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        // At once, because other tests read the template meanwhile.
        let written = path.with_extension("new");
        std::fs::write(&written, wanted).unwrap();
        std::fs::rename(written, path).unwrap();
        return;
    }
    let line = is.lines().zip(wanted.lines()).position(|(is, wanted)| is != wanted).map_or(0, |line| line + 1);
    panic!("{file} is not what the routers declare (line {line}); run UPDATE_OPENAPI=1 cargo test -p it openapi");
}

#[test]
fn nothing_that_openapi_wants_to_be_an_object_is_null() {
    fn look(value: &Value, at: &str, nulls: &mut Vec<String>) {
        match value {
            Value::Null => nulls.push(at.to_owned()),
            Value::Array(items) => items.iter().for_each(|item| look(item, at, nulls)),
            // Examples and defaults are values, which may be null.
            Value::Object(members) => members
                .iter()
                .filter(|(name, _)| !["example", "examples", "default", "enum"].contains(&name.as_str()))
                .for_each(|(name, member)| look(member, &format!("{at}/{name}"), nulls)),
            _ => {}
        }
    }
    let mut nulls = Vec::new();
    look(&document(&functions()), "", &mut nulls);
    assert_eq!(nulls, Vec::<String>::new());
}

#[test]
fn the_committed_description_is_what_the_functions_declare() {
    let text = serde_json::to_string_pretty(&document(&functions())).unwrap() + "\n";
    hold("openapi.json", &text);
}

#[test]
fn the_template_has_the_routes_that_the_functions_declare() {
    let is = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let (before, rest) = is.split_once(BEGIN).expect("the template marks where routes begin");
    let (_, after) = rest.split_once(END).expect("the template marks where routes end");
    let functions = functions();
    hold("template.yaml", &format!("{before}{BEGIN}{}{END}{after}", routes_section(&functions)));

    let template = template();
    let keys: BTreeSet<_> = resources(&template, "AWS::ApiGatewayV2::Route")
        .values()
        .map(|route| route["RouteKey"].as_str().unwrap().to_owned())
        // What Autotask calls is no part of the API.
        .filter(|key| !key.contains(" /hooks/"))
        .collect();
    let declared = operations(&functions).into_keys().map(|(path, method)| format!("{method} {path}")).collect();
    assert_eq!(keys, declared, "routes outside the markers");
}

/// (path, methods) of everything that a router serves. axum has no list of them, but its `Debug` has.
fn served(router: &axum::Router<App>) -> BTreeSet<Operation> {
    let text = format!("{router:?}");
    let (text, _) = text.split_once("fallback_router").expect("axum's Debug has changed");
    let (routes, paths) = text.rsplit_once("Node {").expect("axum's Debug has changed");
    let id = |text: &str| text.split_once(')').map(|(id, rest)| (id.to_owned(), rest.to_owned()));
    let mut methods: BTreeMap<String, String> = BTreeMap::new();
    for (id, route) in routes.split("RouteId(").skip(1).filter_map(id) {
        let allowed = route.rsplit_once("allow_header: Bytes(b\"").and_then(|(_, rest)| rest.split_once('"'));
        if let Some((allowed, _)) = allowed {
            methods.insert(id, allowed.to_owned());
        }
    }
    let mut found = BTreeSet::new();
    for (id, path) in paths.split("RouteId(").skip(1).filter_map(id) {
        let path = path.split('"').nth(1).expect("a path stands in quotes");
        for method in methods[&id].split(',').filter(|method| *method != "HEAD") {
            found.insert((path.to_owned(), method.to_owned()));
        }
    }
    found
}

#[test]
fn routers_serve_what_they_describe_and_nothing_else() {
    for function in functions() {
        let served = served(&function.router);
        let name = function.name;
        let described: BTreeSet<_> = operations(&[function]).into_keys().collect();
        assert!(!described.is_empty(), "{name} has no routes");
        assert_eq!(served, described, "{name}");
    }
}

#[test]
fn every_operation_says_what_it_is_for_and_shows_by_example_what_it_takes_and_gives() {
    let functions = functions();
    let document = document(&functions);
    let mut missing = Vec::new();
    for (path, method) in operations(&functions).into_keys() {
        let operation = &document["paths"][&path][method.to_lowercase()];
        for (kind, media) in media(operation) {
            // A file shows nothing as text.
            if kind != "application/pdf" && media["example"].is_null() && media["examples"].is_null() {
                missing.push(format!("{method} {path}: {kind}"));
            }
        }
        if operation["summary"].as_str().unwrap_or_default().is_empty() {
            missing.push(format!("{method} {path}: a summary"));
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// What an operation takes and, when all is well, gives: (media type, description).
fn media(operation: &Value) -> Vec<(&String, &Value)> {
    let answers = operation["responses"].as_object().into_iter().flatten();
    let answers = answers.filter(|(status, _)| status.starts_with('2')).map(|(_, answer)| &answer["content"]);
    let contents = answers.chain([&operation["requestBody"]["content"]]);
    contents.filter_map(Value::as_object).flatten().collect()
}

#[test]
fn every_operation_names_a_problem_that_it_can_answer_with() {
    let mut missing = Vec::new();
    for ((path, method), (_, operation)) in operations(&functions()) {
        let named = operation["responses"]
            .as_object()
            .unwrap()
            .iter()
            .any(|(status, answer)| status.starts_with(['4', '5']) && !answer["content"][PROBLEM].is_null());
        if !named {
            missing.push(format!("{method} {path}"));
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_reference_of_the_description_leads_somewhere() {
    let document = document(&functions());
    let mut lost = Vec::new();
    check_references(&document, &document, &mut lost);
    assert_eq!(lost, Vec::<String>::new());
}

fn check_references(document: &Value, part: &Value, lost: &mut Vec<String>) {
    match part {
        Value::Array(items) => items.iter().for_each(|item| check_references(document, item, lost)),
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let found = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
                if found.is_none() {
                    lost.push(reference.to_owned());
                }
            }
            members.values().for_each(|member| check_references(document, member, lost));
        }
        _ => {}
    }
}
