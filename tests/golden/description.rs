//! `docs/api.yaml` says the same as [`thingway::testing::api::ROUTES`] and [`thingway::testing::api::skyway::routes`].

use std::collections::BTreeSet;

use saphyr::{LoadableYamlNode, Yaml};
use thingway::testing::api::{ROUTES, skyway};

const TEXT: &str = include_str!("../../docs/api.yaml");

fn description() -> Yaml<'static> {
    let mut documents = Yaml::load_from_str(TEXT).expect("YAML");
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

/// The entries of a mapping whose keys are text.
fn entries<'a>(yaml: &'a Yaml<'a>) -> Vec<(&'a str, &'a Yaml<'a>)> {
    let mapping = yaml.as_mapping().expect("a mapping");
    mapping
        .iter()
        .map(|(key, value)| (key.as_str().expect("text"), value))
        .collect()
}

fn get<'a>(yaml: &'a Yaml<'a>, key: &str) -> &'a Yaml<'a> {
    yaml.as_mapping_get(key)
        .unwrap_or_else(|| panic!("{key} is missing"))
}

/// Keys of a path that are no methods (OpenAPI 3.1 §4.8.9).
const NOT_METHODS: [&str; 4] = ["parameters", "summary", "description", "servers"];

fn operations<'a>(path: &'a Yaml<'a>) -> Vec<(&'a str, &'a Yaml<'a>)> {
    let all = entries(path).into_iter();
    all.filter(|(key, _)| !NOT_METHODS.contains(key)).collect()
}

#[test]
fn the_description_has_every_route_and_no_other() {
    let description = description();
    let mut described = BTreeSet::new();
    for (path, item) in entries(get(&description, "paths")) {
        for (method, _) in operations(item) {
            described.insert(format!("{} {path}", method.to_ascii_uppercase()));
        }
    }
    let mut routes = BTreeSet::new();
    for (path, methods) in ROUTES {
        for method in *methods {
            routes.insert(format!("{method} {path}"));
        }
    }
    routes.extend(skyway::routes().map(|(method, path)| format!("{method} {path}")));
    assert_eq!(described, routes);
}

#[test]
fn every_operation_says_what_comes_back() {
    let description = description();
    let mut ids = BTreeSet::new();
    for (path, item) in entries(get(&description, "paths")) {
        for (method, operation) in operations(item) {
            let responses = entries(get(operation, "responses"));
            let good = responses
                .iter()
                .any(|(code, _)| code.starts_with(['1', '2']));
            let bad = responses.iter().any(|(code, _)| code.starts_with('4'));
            assert!(good, "{method} {path}: no success");
            assert!(bad, "{method} {path}: no error");
            let id = get(operation, "operationId").as_str().expect("text");
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
            assert!(!get(operation, "summary").as_str().expect("text").is_empty());
            let says_none = || {
                let text = get(operation, "description").as_str();
                text.is_some_and(|text| text.contains("There is no body"))
            };
            let mapping = operation.as_mapping().expect("a mapping");
            let body = mapping
                .iter()
                .find(|(key, _)| key.as_str() == Some("requestBody"));
            if let Some((_, body)) = body {
                let fields = entries(body);
                let reference = fields.iter().find(|(key, _)| *key == "$ref");
                let body = reference.map_or(body, |(_, path)| {
                    resolve(&description, path.as_str().expect("text"))
                });
                get(body, "content");
            } else {
                let needs_one = matches!(method, "post" | "patch" | "put");
                assert!(!needs_one || says_none(), "{method} {path}: no body");
            }
            for name in path
                .split('/')
                .filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'))
            {
                assert!(
                    names_parameter(&description, item, name),
                    "{path}: {name} is not described"
                );
            }
        }
    }
}

fn names_parameter(description: &Yaml<'_>, item: &Yaml<'_>, name: &str) -> bool {
    let parameters = get(item, "parameters").as_sequence().expect("a list");
    parameters.iter().any(|parameter| {
        let found = match parameter.as_mapping_get("$ref") {
            Some(reference) => resolve(description, reference.as_str().expect("text")),
            None => parameter,
        };
        get(found, "name").as_str() == Some(name) && get(found, "in").as_str() == Some("path")
    })
}

/// What `#/a/b/c` points at.
fn resolve<'a>(description: &'a Yaml<'a>, reference: &str) -> &'a Yaml<'a> {
    let path = reference
        .strip_prefix("#/")
        .expect("a reference within the file");
    path.split('/')
        .fold(description, |yaml, key| get(yaml, key))
}

#[test]
fn every_reference_points_at_something_and_everything_is_pointed_at() {
    let description = description();
    let mut references = BTreeSet::new();
    collect(&description, &mut references);
    for reference in &references {
        resolve(&description, reference);
    }
    for (kind, components) in entries(get(&description, "components")) {
        // These are named by `security`.
        if kind == "securitySchemes" {
            continue;
        }
        for (name, _) in entries(components) {
            let reference = format!("#/components/{kind}/{name}");
            assert!(
                references.contains(&reference),
                "{reference} is used nowhere"
            );
        }
    }
}

fn collect(yaml: &Yaml<'_>, references: &mut BTreeSet<String>) {
    if let Some(mapping) = yaml.as_mapping() {
        for (key, value) in mapping {
            match (key.as_str(), value.as_str()) {
                (Some("$ref"), Some(reference)) => drop(references.insert(reference.to_owned())),
                _ => collect(value, references),
            }
        }
    } else if let Some(list) = yaml.as_sequence() {
        list.iter().for_each(|item| collect(item, references));
    }
}
