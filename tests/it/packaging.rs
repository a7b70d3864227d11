//! The files in `packaging/` name only flags, files and metrics that exist. No image is built here.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::support::{process::command, server::Server};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn file(name: &str) -> String {
    let path: PathBuf = root().join("packaging").join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The output of `serve --help`.
async fn help() -> String {
    let done = command().args(["serve", "--help"]).output().await.unwrap();
    String::from_utf8(done.stdout).unwrap()
}

/// Every word in a text that starts with this prefix.
fn words<'t>(text: &'t str, prefix: &str) -> Vec<&'t str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(prefix)
        .map(|(at, _)| text[at..].split(|c| !is_part(c)).next().unwrap())
        .collect()
}

/// The instructions of a Dockerfile: the keyword and its arguments.
fn instructions(dockerfile: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = dockerfile
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    lines
        .join("\n")
        .replace("\\\n", " ")
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(word, rest)| (word.to_owned(), rest.trim().to_owned()))
        .collect()
}

#[tokio::test]
async fn the_dockerfile_names_existing_files() {
    let text = file("Dockerfile");
    let all = instructions(&text);
    let of = |word: &str| -> Vec<&str> {
        let found = all.iter().filter(|(w, _)| w == word);
        found.map(|(_, rest)| rest.as_str()).collect()
    };
    assert!(of("FROM").len() == 2 && of("COPY").len() >= 8, "{all:#?}");
    for copy in of("COPY") {
        if copy.starts_with("--from") {
            continue;
        }
        let mut paths: Vec<&str> = copy.split_whitespace().collect();
        paths.pop();
        for path in paths {
            assert!(root().join(path).exists(), "COPY {path}");
        }
    }
    // The files that Cargo.toml names are copied, too.
    for path in [
        "benches/load/main.rs",
        "tests/it/main.rs",
        "migration",
        "src",
    ] {
        assert!(
            of("COPY")
                .iter()
                .any(|c| path.starts_with(c.split(' ').next().unwrap())),
            "{path}"
        );
    }
    let help = help().await;
    let environment = of("ENV").join(" ");
    let names = words(&environment, "BUILDBOT_GRAPHQL_");
    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        assert!(
            help.contains(&format!("[env: {name}]")),
            "{name} is no variable of serve"
        );
    }
    let port = of("EXPOSE")[0];
    assert!(
        environment.contains(&format!("LISTEN=0.0.0.0:{port}")),
        "{environment}"
    );
    let user = of("USER");
    assert!(
        user.last()
            .is_some_and(|u| !u.starts_with("root") && !u.starts_with('0'))
    );
    for exec in [of("ENTRYPOINT"), of("CMD")].concat() {
        serde_json::from_str::<Vec<String>>(exec).unwrap_or_else(|e| panic!("{exec}: {e}"));
    }
    let stages: Vec<&str> = of("FROM")
        .iter()
        .filter_map(|f| f.split(" AS ").nth(1))
        .collect();
    for from in of("COPY").iter().filter_map(|c| c.strip_prefix("--from=")) {
        assert!(stages.contains(&from.split(' ').next().unwrap()), "{from}");
    }
}

#[tokio::test]
async fn the_settings_of_the_service_are_variables_of_serve() {
    let help = help().await;
    let names = file("buildbot-graphql.env");
    for name in words(&names, "BUILDBOT_GRAPHQL_") {
        assert!(
            help.contains(&format!("[env: {name}]")),
            "{name} is no variable of serve"
        );
    }
}

/// The names of all metrics as a query uses them, and their labels.
async fn metrics() -> (BTreeSet<String>, BTreeSet<String>) {
    let server = Server::start().await;
    let client = server.client();
    // Error codes appear after the first error.
    client.error("{ nothing }", json!({})).await;
    let url = client.url.replace("/graphql", "/metrics");
    let asked = async || {
        client
            .http
            .get(&url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    asked().await;
    let text = asked().await;
    let (mut names, mut labels) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        names.insert(name.to_owned());
        if let Some((_, rest)) = line.split_once('{') {
            let pairs = rest.split_once('}').unwrap().0.split(',');
            labels.extend(pairs.map(|pair| pair.split('=').next().unwrap().to_owned()));
        }
    }
    // Prometheus adds this label.
    labels.insert("instance".to_owned());
    (names, labels)
}

/// The labels that an expression names: those it selects and those it groups by.
fn labels_in(expression: &str) -> Vec<String> {
    let between = |open: &str, close: char| -> Vec<String> {
        expression
            .match_indices(open)
            .filter_map(|(at, _)| expression[at + open.len()..].split_once(close))
            .flat_map(|(inner, _)| inner.split(',').map(str::to_owned).collect::<Vec<_>>())
            .collect()
    };
    [between("{", '}'), between("by (", ')')]
        .concat()
        .iter()
        .map(|label| label.trim().split(['=', '!']).next().unwrap().to_owned())
        .collect()
}

fn check(expression: &str, (names, labels): &(BTreeSet<String>, BTreeSet<String>)) {
    let asked = words(expression, "buildbot_graphql_");
    assert!(!asked.is_empty(), "{expression}");
    for name in asked {
        assert!(names.contains(name), "there is no {name}: {expression}");
    }
    for label in labels_in(expression) {
        assert!(
            labels.contains(&label),
            "there is no label {label}: {expression}"
        );
    }
    let opened = expression.matches('(').count();
    assert_eq!(opened, expression.matches(')').count(), "{expression}");
}

#[tokio::test]
async fn the_dashboard_and_the_rules_use_existing_metrics() {
    let there = metrics().await;
    let dashboard: Value = serde_json::from_str(&file("grafana-dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut shown = String::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            check(expression, &there);
            shown.push_str(expression);
        }
    }
    let ids: BTreeSet<i64> = panels.iter().map(|p| p["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    // Conversely, every metric is on the dashboard or in a rule.
    for name in &there.0 {
        let stem = ["_sum", "_count", "_bucket"]
            .iter()
            .fold(name.as_str(), |name, end| {
                name.strip_suffix(end).unwrap_or(name)
            });
        let is_shown = shown.contains(stem) || stem.ends_with("build_info");
        assert!(is_shown, "no panel shows {name}");
    }

    let rules = file("alerts.yml");
    let rules: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(rules.len() >= 3);
    for rule in rules {
        let line = |key: &str| {
            let found = rule.lines().find_map(|l| l.trim().strip_prefix(key));
            found.unwrap_or_else(|| panic!("no {key} in {rule}")).trim()
        };
        check(line("expr:"), &there);
        assert!(line("for:").ends_with('m') && line("labels:").contains("severity"));
        assert!(line("summary:").len() > 20);
    }
}
