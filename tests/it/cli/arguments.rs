//! Flags and variables: help, suggestions, and what is said of a wrong value.

use buildbot_graphql::testing::check_flags;

use super::run;
use crate::support::process::command;

/// The flags of `serve` whose default is a number.
async fn numeric_flags() -> Vec<String> {
    let (_, help, _) = run(&["serve", "--help"]).await;
    let mut found = Vec::new();
    let mut flag = String::new();
    for line in help.lines().map(str::trim) {
        if line.starts_with("--") {
            line.split(' ').next().unwrap().clone_into(&mut flag);
        }
        let default = line.strip_prefix("[default: ");
        if default.is_some_and(|d| d.trim_end_matches(']').parse::<u64>().is_ok()) {
            found.push(flag.clone());
        }
    }
    assert!(found.len() > 30, "{found:?}");
    found
}

#[tokio::test]
async fn a_wrong_number_is_refused_with_the_flag_the_rule_and_the_value() {
    for flag in numeric_flags().await {
        for bad in ["many", "-1", "1.5", "99999999999999999999", "1 "] {
            let refused = check_flags(&["test", &format!("{flag}={bad}")]).unwrap_err();
            let names = refused.contains(&format!("'{bad}' for '{flag} "));
            assert!(
                names && refused.contains("a whole number from "),
                "{refused}"
            );
        }
        let refused = check_flags(&["test", &format!("{flag}=")]).unwrap_err();
        assert!(refused.contains(&flag), "{refused}");
        let twice = [&flag[..], "5", &flag, "5"];
        let refused = check_flags(&[&["test"][..], &twice].concat()).unwrap_err();
        assert!(
            refused.contains(&flag) && refused.contains("multiple times"),
            "{refused}"
        );
    }
    for flag in [
        "--readers",
        "--writers",
        "--connect-seconds",
        "--busy-seconds",
        "--feed-poll-ms",
    ] {
        let refused = check_flags(&["test", flag, "0"]).unwrap_err();
        assert!(
            refused.contains(flag) && refused.contains("from 1 to"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_negative_number_is_a_wrong_value_of_its_flag() {
    let (code, stdout, stderr) = run(&["serve", "--readers", "-1"]).await;
    assert_eq!((code, &*stdout), (Some(2), ""));
    let words = ["'-1' for '--readers ", "a whole number from 1 to 10000"];
    assert!(words.iter().all(|word| stderr.contains(word)), "{stderr}");
}

#[tokio::test]
async fn a_wrong_variable_is_named() {
    for (name, bad, rule) in [
        ("READERS", "many", "a whole number from 1 to 10000"),
        ("READERS", "-1", "a whole number from 1 to 10000"),
        ("READERS", "", ""),
        ("MAX_SECONDS", "99999999", "from 0 to 86400"),
        ("LISTEN", "nowhere", "an address such as"),
        ("ANONYMOUS", "all", "read, write, none"),
        ("DEMO", "perhaps", "true or false"),
        ("TRUSTED_PROXY", "proxy", "an address or a network"),
        ("LOG_FORMAT", "xml", "text, json"),
        ("JWKS_URL", "ftp://x", "https"),
    ] {
        let variable = format!("BUILDBOT_GRAPHQL_{name}");
        let done = command()
            .arg("serve")
            .env(&variable, bad)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{name}: {said}");
        assert!(
            said.contains(&variable) && said.contains(rule) && said.contains(bad),
            "{name}: {said}"
        );
        // The flag is right, and wins.
        let flag = format!("--{}", name.to_lowercase().replace('_', "-"));
        assert!(!said.contains(&format!("'{flag}")), "{said}");
    }
}

#[tokio::test]
async fn what_every_command_takes_may_stand_before_it() {
    let url = ["--database-url", "sqlite:nowhere/x.sqlite"];
    let (code, stdout, log) = run(&[&["--log-format", "json", "migrate"], &url[..]].concat()).await;
    assert_eq!((code, &*stdout), (Some(1), ""));
    let line: serde_json::Value = serde_json::from_str(log.trim()).expect(&log);
    assert_eq!(line["level"], "ERROR", "{line}");
    let (code, _, log) = run(&["--config", "nowhere.toml", "migrate"]).await;
    assert_eq!(code, Some(2));
    assert!(log.contains("nowhere.toml"), "{log}");
}

#[tokio::test]
async fn an_empty_switch_is_off() {
    for (value, code) in [("", 0), ("off", 0), ("TRUE", 1)] {
        // A missing database that may not be migrated is refused.
        let dir = tempfile::tempdir().unwrap();
        let done = command()
            .args(["serve", "--check", "--listen", "127.0.0.1:0"])
            .env("BUILDBOT_GRAPHQL_NO_MIGRATE", value)
            .current_dir(dir.path())
            .output();
        assert_eq!(done.await.unwrap().status.code(), Some(code), "{value:?}");
    }
}

#[tokio::test]
async fn a_slip_gets_a_suggestion() {
    for (args, advice) in [
        (&["srve"][..], "'serve'"),
        (&["serve", "--lsten", ":1"], "'--listen'"),
        (&["token", "creat"], "'create'"),
        (&["serve", "--log-format", "jsn"], "'json'"),
        (&["completions", "bsh"], "'bash'"),
    ] {
        let (code, stdout, stderr) = run(args).await;
        assert_eq!((code, &*stdout), (Some(2), ""));
        assert!(
            stderr.contains("similar") && stderr.contains(advice),
            "{args:?}: {stderr}"
        );
    }
}

#[tokio::test]
async fn help_is_grouped_and_a_summary_is_short() {
    let (_, long, _) = run(&["serve", "--help"]).await;
    for heading in [
        "HTTP", "Database", "Feed", "Limits", "Tokens", "TLS", "Logs",
    ] {
        let is_one = long
            .lines()
            .filter(|line| *line == format!("{heading}:"))
            .count()
            == 1;
        assert!(is_one, "{heading}: {long}");
    }
    let (_, short, _) = run(&["serve", "-h"]).await;
    let lines = |text: &str| text.lines().count();
    assert!(
        lines(&short) < 60 && lines(&long) > 3 * lines(&short),
        "{short}"
    );
    for flag in [
        "--listen",
        "--database-url",
        "--config",
        "--check",
        "--log-format",
    ] {
        assert!(short.contains(flag) && long.contains(flag), "{flag}");
    }
    assert!(!short.contains("--feed-poll-ms") && long.contains("--feed-poll-ms"));
}

#[tokio::test]
async fn commands_show_only_what_they_use() {
    let of_servers = [
        "--readers",
        "--writers",
        "--statement-seconds",
        "--listen",
        "--max-cost",
    ];
    for command in [
        &["migrate"][..],
        &["attach"],
        &["detach"],
        &["backup"],
        &["token", "create"],
        &["token", "list"],
        &["token", "revoke"],
    ] {
        let (code, help, _) = run(&[command, &["--help"]].concat()).await;
        assert_eq!(code, Some(0));
        assert!(
            help.contains("--database-url") && help.contains("--log-format"),
            "{help}"
        );
        assert!(help.contains("--config"), "{help}");
        for flag in of_servers {
            assert!(!help.contains(flag), "{command:?} shows {flag}: {help}");
        }
    }
    for command in ["schema", "completions"] {
        let (_, help, _) = run(&[command, "--help"]).await;
        assert!(
            !help.contains("--log") && !help.contains("--database-url"),
            "{help}"
        );
    }
}

#[tokio::test]
async fn shells_get_a_script() {
    for (shell, word) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef"),
        ("fish", "complete -c"),
    ] {
        let (code, script, stderr) = run(&["completions", shell]).await;
        assert_eq!((code, &*stderr), (Some(0), ""));
        for word in [word, "buildbot-graphql", "serve", "listen"] {
            assert!(script.contains(word), "{shell} without {word}");
        }
    }
}
