//! Who may depend on whom, read from the manifests.

use crate::template::root;
use std::collections::{BTreeMap, BTreeSet};
use toml::{Table, Value};

/// Left to right: a crate may depend on any crate to its right.
const ORDER: &[&str] = &["functions", "runtime", "store", "domain", "autotask"];

/// Foreign crates that only some of ours may use: prefix of the name, and who.
const CONFINED: &[(&str, &[&str])] = &[
    ("axum", &["functions", "runtime", "local", "simulator", "testkit", "it"]),
    ("utoipa", &["functions", "runtime", "local", "it"]),
    ("aws-", &["store", "runtime", "local", "it"]),
    ("lambda_", &["runtime", "local", "it"]),
    ("aws_lambda_events", &["runtime", "local", "it"]),
    ("serde_dynamo", &["store"]),
    ("object_store", &["store"]),
    ("reqwest", &["autotask", "simulator", "local", "it"]),
    ("dynoxide", &["local", "testkit", "it"]),
    ("simulator", &["local", "testkit", "it"]),
    ("testkit", &["it"]),
    ("local", &["testkit", "it"]),
];

/// Crates that must not be in the lock file, as (name, version prefix, why not).
const BANNED: &[(&str, &str, &str)] = &[
    ("openssl-sys", "", "one TLS stack: rustls with ring"),
    ("native-tls", "", "one TLS stack: rustls with ring"),
    ("aws-lc-sys", "", "one TLS stack: rustls with ring"),
    ("hyper", "0.", "the SDK's own `rustls` feature brings it"),
];

/// Crates that must be in the lock file once.
const ONCE: &[&str] = &["axum", "hyper", "reqwest", "rustls", "ring", "tokio", "serde", "utoipa"];

struct Crate {
    name: String,
    folder: String,
    manifest: Table,
}

impl Crate {
    /// What rules call it: all functions are one group.
    fn group(&self) -> &str {
        if self.folder.starts_with("functions/") { "functions" } else { &self.name }
    }

    /// (section, name, declaration) of every dependency.
    fn dependencies(&self) -> Vec<(&str, &str, &Value)> {
        ["dependencies", "dev-dependencies", "build-dependencies"]
            .iter()
            .filter_map(|section| Some((*section, self.manifest.get(*section)?.as_table()?)))
            .flat_map(|(section, table)| table.iter().map(move |(name, value)| (section, name.as_str(), value)))
            .collect()
    }
}

fn parse(path: &str) -> Table {
    let text = std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn crates() -> Vec<Crate> {
    let workspace = parse("Cargo.toml");
    let members = workspace["workspace"]["members"].as_array().unwrap();
    members
        .iter()
        .map(|member| {
            let folder = member.as_str().unwrap().to_owned();
            let manifest = parse(&format!("{folder}/Cargo.toml"));
            Crate { name: manifest["package"]["name"].as_str().unwrap().to_owned(), folder, manifest }
        })
        .collect()
}

/// Ours, among all dependencies: name to group.
fn ours(crates: &[Crate]) -> BTreeMap<&str, &str> {
    crates.iter().map(|each| (each.name.as_str(), each.group())).collect()
}

/// Why an arrow between two of our crates is wrong.
fn wrong_arrow(from: &str, to: &str) -> Option<&'static str> {
    let place = |group: &str| ORDER.iter().position(|each| *each == group);
    match (from, to) {
        ("local" | "xtask" | "counted" | "testkit" | "it", _) => None,
        ("simulator", "autotask") => None,
        ("simulator", _) => Some("the simulator uses nothing of ours but the client's Transport"),
        ("functions", "store") => Some("functions use the store through runtime"),
        _ => match (place(from), place(to)) {
            (Some(left), Some(right)) if left < right => None,
            (Some(_), Some(_)) => Some("arrows point right: functions, runtime, store, domain, autotask"),
            _ => Some("what is deployed does not use test code"),
        },
    }
}

#[test]
fn arrows_point_to_the_right() {
    let crates = crates();
    let ours = ours(&crates);
    let mut wrong = Vec::new();
    for each in &crates {
        for (section, name, _) in each.dependencies() {
            if let Some(why) = ours.get(name).and_then(|group| wrong_arrow(each.group(), group)) {
                wrong.push(format!("{} -> {name} ({section}): {why}", each.name));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_rule_of_arrows_names_each_kind_of_wrong_arrow() {
    for (from, to) in [
        ("functions", "functions"),
        ("functions", "store"),
        ("domain", "store"),
        ("autotask", "domain"),
        ("store", "runtime"),
        ("domain", "simulator"),
        ("simulator", "domain"),
        ("runtime", "testkit"),
    ] {
        assert!(wrong_arrow(from, to).is_some(), "{from} -> {to}");
    }
    for (from, to) in [("functions", "runtime"), ("functions", "autotask"), ("runtime", "store"), ("it", "store")] {
        assert_eq!(wrong_arrow(from, to), None, "{from} -> {to}");
    }
}

#[test]
fn foreign_crates_stay_where_they_belong() {
    let mut wrong = Vec::new();
    for each in &crates() {
        for (section, name, _) in each.dependencies() {
            for (prefix, allowed) in CONFINED {
                if name.starts_with(prefix) && !allowed.contains(&each.group()) {
                    wrong.push(format!("{} -> {name} ({section}): only in {allowed:?}", each.name));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_dependency_stands_once_with_its_features_in_the_workspace() {
    let workspace = parse("Cargo.toml");
    let shared = workspace["workspace"]["dependencies"].as_table().unwrap();
    let inherited: Table = [("workspace".to_owned(), Value::Boolean(true))].into_iter().collect();
    let mut used = BTreeSet::new();
    for each in &crates() {
        for (section, name, declared) in each.dependencies() {
            assert_eq!(
                declared.as_table(),
                Some(&inherited),
                "{} {section} {name}: only `workspace = true`",
                each.name
            );
            used.insert(name.to_owned());
        }
        for section in ["features", "target", "patch", "profile"] {
            assert!(!each.manifest.contains_key(section), "{}: [{section}]", each.name);
        }
        assert_eq!(each.manifest["lints"].as_table(), Some(&inherited), "{}: lints", each.name);
    }
    let unused: Vec<_> = shared.keys().filter(|name| !used.contains(*name)).collect();
    assert!(unused.iter().all(|name| *name == "anyhow"), "nobody uses {unused:?}");
}

#[test]
fn only_the_integration_tests_are_linked_as_a_test_of_the_whole() {
    for each in &crates() {
        for bin in each.manifest.get("bin").and_then(Value::as_array).into_iter().flatten() {
            assert_eq!(
                bin.get("test"),
                Some(&Value::Boolean(false)),
                "{}: a [[bin]] has no tests of its own",
                each.name
            );
        }
        let lib = each.manifest["lib"].as_table().unwrap();
        assert_eq!(lib.get("doctest"), Some(&Value::Boolean(false)), "{}", each.name);
        if each.group() == "functions" {
            assert_eq!(lib.get("test"), Some(&Value::Boolean(false)), "{}", each.name);
        }
    }
}

#[test]
fn there_is_one_tls_stack_and_one_of_each_big_crate() {
    let lock = parse("Cargo.lock");
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in lock["package"].as_array().unwrap() {
        versions.entry(package["name"].as_str().unwrap()).or_default().push(package["version"].as_str().unwrap());
    }
    for (name, prefix, why) in BANNED {
        let found = versions.get(name).is_some_and(|all| all.iter().any(|version| version.starts_with(prefix)));
        assert!(!found, "{name} {prefix}: {why}");
    }
    for name in ONCE {
        assert_eq!(versions.get(name).map(Vec::len), Some(1), "{name}: {:?}", versions.get(name));
    }
}

#[test]
fn every_crate_says_what_it_owns_and_what_it_leaves_to_others() {
    for each in &crates() {
        let readme = root().join(&each.folder).join("README.md");
        let text = std::fs::read_to_string(&readme).unwrap_or_default();
        assert!(text.lines().count() > 5, "{}: README.md says too little", each.name);
        let lib = std::fs::read_to_string(root().join(&each.folder).join("src/lib.rs")).unwrap();
        assert!(lib.contains("include_str!(\"../README.md\")"), "{}: its README is not its documentation", each.name);
    }
}
