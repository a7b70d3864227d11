//! The OpenAPI document describes every path and is served, and every recorded response matches it.

use reqwest::Method;
use serde_json::Value;

use super::{
    Rest,
    recordings::{recorded, serve},
};
use crate::support::server::Server;

/// How a value violates a schema. None if it conforms.
fn mismatch(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.strip_prefix('#').unwrap());
        return mismatch(document, target.expect(reference), value);
    }
    let fits_type = |name: &str| match name {
        "null" => value.is_null(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("a type {other:?}"),
    };
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().map(|t| t.as_str().unwrap()).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|t| fits_type(t)) {
        return Some(format!("{value} is not of {types:?}"));
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        return values.iter().find_map(|v| mismatch(document, items, v));
    }
    let fields = value.as_object()?;
    for name in schema["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(name.as_str().unwrap()) {
            return Some(format!("{value} has no {name}"));
        }
    }
    fields.iter().find_map(|(name, value)| {
        match schema["properties"]
            .get(name)
            .or(schema.get("additionalProperties"))
        {
            Some(schema) => mismatch(document, schema, value),
            None => Some(format!("there is no {name:?} in the schema")),
        }
    })
}

/// The document's path for a request: its elements are equal or parameters.
fn described<'a>(document: &'a Value, request: &str) -> Option<&'a Value> {
    let wanted: Vec<&str> = request.split('?').next().unwrap().split('/').collect();
    let fits = |path: &String| {
        let path: Vec<&str> = path.split('/').collect();
        path.len() == wanted.len()
            && path
                .iter()
                .zip(&wanted)
                .all(|(p, w)| p == w || p.starts_with('{'))
    };
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .find(|(path, _)| fits(path))
        .map(|(_, item)| item)
}

fn named(document: &Value, operation: &Value) -> Vec<String> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let name = |parameter: &Value| {
        let reference = parameter["$ref"]
            .as_str()
            .unwrap()
            .strip_prefix('#')
            .unwrap();
        let parameter = document.pointer(reference).expect(reference);
        assert!(parameter["schema"].is_object() && parameter["description"].is_string());
        assert_eq!(parameter["required"], parameter["in"] == "path");
        parameter["name"].as_str().unwrap().to_owned()
    };
    parameters.map(name).collect()
}

#[tokio::test]
async fn every_response_matches_its_description() {
    let server = serve("live.sqlite", &[]).await;
    let rest = Rest::of(&server);
    let document = rest.found("/api/v2/openapi.json").await;
    assert_eq!(document, rest.found("/api/latest/openapi.json").await);
    assert_eq!(document["openapi"], "3.1.0");
    let problem = &document["components"]["schemas"]["Problem"];
    let mut checked = 0;
    for record in [recorded("rest.jsonl"), recorded("rest-synthetic.jsonl")].concat() {
        let request = record["request"].as_str().unwrap();
        let path = request
            .rsplit_once("/api/v2")
            .or(request.rsplit_once("/api/latest"))
            .unwrap()
            .1;
        if record["status"] != 200 {
            let fits = record["body"].is_string()
                || mismatch(&document, problem, &record["body"]).is_none();
            assert!(fits, "{request}");
            continue;
        }
        let item = described(&document, path).unwrap_or_else(|| panic!("{path} is not described"));
        let schema = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{path}");
        assert_eq!(
            mismatch(&document, schema, &record["body"]),
            None,
            "{request}"
        );
        let names = named(&document, &item["get"]);
        let query = path.split_once('?').map_or("", |(_, query)| query);
        for parameter in query.split('&').filter_map(|p| p.split_once('=')) {
            // Buildbot ignores some parameters that we refuse.
            let name = parameter.0;
            if rest.get(&format!("/api/v2{path}")).await.0 == 200 {
                assert!(
                    names.iter().any(|n| n == name),
                    "{request}: {name} is not described"
                );
            }
        }
        checked += 1;
    }
    assert!(checked > 150, "{checked}");
}

#[tokio::test]
async fn every_described_path_is_served() {
    let server = serve("live.sqlite", &[]).await;
    let rest = Rest::of(&server);
    let document = rest.found("/api/v2/openapi.json").await;
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 31);
    for (path, item) in paths {
        let mut url = format!("/api/v2{path}");
        for (name, value) in [
            ("{logid}", "1"),
            ("{log_slug}", "stdio"),
            ("{stepid}", "56"),
            ("{buildid}", "15"),
            ("{build_number}", "1"),
            ("{builderid_or_buildername}", "plain"),
            ("{step_number_or_name}", "hello"),
        ] {
            url = url.replace(name, value);
        }
        for method in ["get", "head"] {
            let responses = item[method]["responses"].as_object().unwrap();
            for status in ["400", "401", "403", "404", "405", "429", "500", "503"] {
                let reference = responses[status]["$ref"].as_str().unwrap();
                assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
            }
        }
        if path.contains("/raw") {
            let file = rest.send(Method::GET, &url, &[]).await;
            let media = file.headers()["content-type"].to_str().unwrap();
            assert_eq!(
                (file.status().as_u16(), media),
                (200, "text/plain; charset=utf-8")
            );
            continue;
        }
        let body = rest.found(&url).await;
        let schema = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        if path != "/openapi.json" {
            assert_eq!(mismatch(&document, schema, &body), None, "{path}");
        }
        // The server knows each parameter: without a value it is refused by name, not as unknown.
        for name in named(&document, &item["get"]) {
            if url.contains(&name) || path.contains(&format!("{{{name}}}")) {
                continue;
            }
            let (_, body) = rest.get(&format!("{url}?{name}=")).await;
            let text = body["error"].as_str().unwrap_or_default();
            assert!(!text.contains("there is no parameter"), "{path}: {text}");
        }
    }
    // The schemas know every field.
    for (schema, path) in [
        ("Step", "steps/64"),
        ("Build", "builds/15"),
        ("Builder", "builders/1"),
    ] {
        let properties = document["components"]["schemas"][schema]["properties"]
            .as_object()
            .unwrap();
        let body = rest.found(&format!("/api/v2/{path}")).await;
        let row = body[path.split('/').next().unwrap()][0]
            .as_object()
            .unwrap();
        assert!(properties.keys().eq(row.keys()), "{schema}");
    }
}

#[tokio::test]
async fn the_root_leads_to_the_document() {
    let server = Server::start().await;
    let client = reqwest::Client::new();
    for path in [
        "/api/v2",
        "/api/v2/",
        "/api/latest",
        "/api/latest/",
        "/api/v2?x=1",
    ] {
        let url = format!("http://{}{path}", server.address);
        let response = client.get(url).send().await.unwrap();
        assert!(response.url().path().ends_with("/openapi.json"), "{path}");
        let document: Value = response.json().await.unwrap();
        assert_eq!(document["openapi"], "3.1.0", "{path}");
    }
    for path in ["/api", "/api/", "/api/v1", "/api/v2//", "/api/v3/"] {
        let url = format!("http://{}{path}", server.address);
        assert_eq!(
            client.get(url).send().await.unwrap().status(),
            404,
            "{path}"
        );
    }
}
