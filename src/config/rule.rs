//! The rules between flags: what needs what, and which values contradict each other.

use crate::config::{Config, origin::AllowedOrigin, token::JwksUrl, value::DAY};

/// The time of a statement unless it is given, in seconds.
const STATEMENT_SECONDS: u64 = 8;

impl Config {
    /// Every rule between flags that is broken; each names the flags and their values, and says
    /// what to do.
    pub(crate) fn broken_rules(&self) -> Vec<String> {
        let rules = [
            self.tls_rule(),
            self.listen_rule(),
            self.origin_rule(),
            self.document_rule(),
            self.jwt_rule(),
            self.statement_rule(),
            self.demo_rule(),
            self.demo_at_rule(),
        ];
        rules.into_iter().flatten().collect()
    }

    /// Lets a statement end before its operation does where nobody has said how long it may run.
    pub(crate) fn set_statement_seconds(&mut self) {
        let operation = self.limit.max_seconds;
        self.database.statement_seconds = match operation {
            0 => STATEMENT_SECONDS,
            _ => STATEMENT_SECONDS.min(longest_statement(operation)),
        };
    }

    fn tls_rule(&self) -> Option<String> {
        let connection = &self.connection;
        let (given, file, missing) = match (&connection.tls_cert, &connection.tls_key) {
            (Some(file), None) => ("--tls-cert", file, "--tls-key"),
            (None, Some(file)) => ("--tls-key", file, "--tls-cert"),
            _ => return None,
        };
        Some(format!(
            "{given} is {} and {missing} is not given: TLS needs both, the certificate and its key",
            file.display()
        ))
    }

    fn listen_rule(&self) -> Option<String> {
        let (listen, ops) = (&self.http.listen, self.http.ops_listen.as_ref()?);
        (listen == ops && !listen.takes_free_port()).then(|| {
            format!(
                "--listen and --ops-listen are both {listen}: give one of them another address, or \
                 leave out --ops-listen"
            )
        })
    }

    /// With credentials for any origin, every page could act for whoever is logged in.
    fn origin_rule(&self) -> Option<String> {
        let http = &self.http;
        if !http.allow_credentials {
            return None;
        }
        if http.allow_origin.is_empty() {
            return Some(
                "--allow-credentials is given and --allow-origin is not: name the origins whose \
                 pages may send cookies, such as --allow-origin https://ci.example.org"
                    .to_owned(),
            );
        }
        let is_any = http.allow_origin.contains(&AllowedOrigin::Any);
        is_any.then(|| {
            "--allow-credentials is not for --allow-origin '*': any page could act for a user \
             who is logged in; name the origins that may"
                .to_owned()
        })
    }

    fn document_rule(&self) -> Option<String> {
        let is_broken = self.limit.only_documents && self.limit.documents.is_none();
        is_broken.then(|| {
            "--only-documents is given and --documents is not: name the file of the documents that \
             may be run, such as --documents documents.json"
                .to_owned()
        })
    }

    fn jwt_rule(&self) -> Option<String> {
        let token = &self.token;
        let url = token.jwks_url.as_ref().map(JwksUrl::as_str);
        let flags = [
            ("--jwks-url", url),
            ("--jwt-issuer", token.jwt_issuer.as_deref()),
            ("--jwt-audience", token.jwt_audience.as_deref()),
        ];
        let given: Vec<_> = flags
            .iter()
            .filter_map(|(flag, value)| Some(format!("{flag} is {}", (*value)?)))
            .collect();
        let missing = flags.iter().filter(|(_, value)| value.is_none());
        let missing: Vec<_> = missing.map(|(flag, _)| *flag).collect();
        if given.is_empty() || missing.is_empty() {
            return None;
        }
        Some(format!(
            "{} and {} not given: JWTs are accepted with --jwks-url, --jwt-issuer and --jwt-audience together",
            given.join(", "),
            match missing.as_slice() {
                [one] => format!("{one} is"),
                several => format!("{} are", several.join(" and ")),
            }
        ))
    }

    fn demo_rule(&self) -> Option<String> {
        (self.demo && self.database.read_only).then(|| {
            "--demo and --read-only are given: the demo writes builds; give one of the two"
                .to_owned()
        })
    }

    fn demo_at_rule(&self) -> Option<String> {
        (self.demo_at.is_some() && !self.demo).then(|| {
            "--demo-at is given and --demo is not: it says where the demo stands still; give both"
                .to_owned()
        })
    }

    fn statement_rule(&self) -> Option<String> {
        let (statement, operation) = (self.database.statement_seconds, self.limit.max_seconds);
        let longest = longest_statement(operation);
        if operation == 0 || (1..=longest).contains(&statement) {
            return None;
        }
        let range = match longest {
            1 => "--statement-seconds 1".to_owned(),
            _ => format!("--statement-seconds from 1 to {longest}"),
        };
        // The longest that `--max-seconds` takes is a day.
        let operations = if statement == 0 || statement >= DAY {
            "--max-seconds 0".to_owned()
        } else {
            format!("--max-seconds from {}, or 0", statement + 1)
        };
        Some(format!(
            "--statement-seconds is {statement} and --max-seconds is {operation}: a statement must end before its \
             operation does, or the database would go on with what nobody waits for; give {range}, or {operations}"
        ))
    }
}

/// The longest time of a statement of an operation that may take so long. Of an operation of a
/// second, it is as long.
fn longest_statement(operation: u64) -> u64 {
    operation.saturating_sub(1).max(1)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn parse(flags: &[&str]) -> Result<Config, String> {
        Config::parse(&[&["test"], flags].concat())
    }

    #[test]
    fn every_time_of_an_operation_can_be_met() {
        for (seconds, statement) in [
            ("0", 8),
            ("1", 1),
            ("2", 1),
            ("8", 7),
            ("9", 8),
            ("86400", 8),
        ] {
            let config = parse(&["--max-seconds", seconds]).expect(seconds);
            assert_eq!(config.database.statement_seconds, statement, "{seconds}");
        }
        // What is given is taken as it is.
        for (seconds, statement) in [("0", "0"), ("0", "86400"), ("1", "1"), ("10", "9")] {
            let flags = ["--max-seconds", seconds, "--statement-seconds", statement];
            let config = parse(&flags).expect(seconds);
            assert_eq!(config.database.statement_seconds.to_string(), statement);
        }
    }

    fn refuses(flags: &[&str], words: &[&str]) {
        let refused = parse(flags).expect_err(&flags.join(" "));
        for word in words {
            assert!(
                refused.contains(word),
                "{flags:?} without {word:?}: {refused}"
            );
        }
    }

    #[test]
    fn a_rule_on_times_says_what_can_be_given() {
        let both = ["--max-seconds", "1", "--statement-seconds", "2"];
        let given = ["--statement-seconds is 2", "--max-seconds is 1"];
        refuses(&both, &given);
        refuses(
            &both,
            &["give --statement-seconds 1, or --max-seconds from 3, or 0"],
        );
        let range = "--statement-seconds from 1 to 9";
        for (seconds, other) in [
            ("10", "--max-seconds from 11, or 0"),
            ("0", "--max-seconds 0"),
            ("86400", "--max-seconds 0"),
        ] {
            let value = format!("--statement-seconds is {seconds}");
            let words = [&*value, "--max-seconds is 10", range, other];
            refuses(&["--statement-seconds", seconds], &words);
        }
    }

    #[test]
    fn a_rule_names_the_flags_and_their_values() {
        refuses(
            &["--tls-cert", "a.pem"],
            &["--tls-cert is a.pem", "--tls-key is not given"],
        );
        refuses(
            &["--tls-key", "a.pem"],
            &["--tls-key is a.pem", "--tls-cert is not given"],
        );
        refuses(
            &["--allow-credentials"],
            &["--allow-credentials", "--allow-origin"],
        );
        let any = ["--allow-credentials", "--allow-origin", "*"];
        refuses(&any, &["--allow-credentials", "--allow-origin '*'"]);
        refuses(&["--only-documents"], &["--only-documents", "--documents"]);
        refuses(&["--demo", "--read-only"], &["--demo", "--read-only"]);
        let at = ["--demo-at", "2026-11-27T12:00:00Z"];
        refuses(&at, &["--demo-at", "--demo"]);
        let missing = "--jwt-issuer and --jwt-audience are not given";
        let url = ["--jwks-url", "https://a.example/k"];
        refuses(&url, &["--jwks-url is https://a.example/k", missing]);
        let others = ["--jwt-issuer", "i", "--jwt-audience", "a"];
        let given = ["--jwt-issuer is i", "--jwt-audience is a"];
        refuses(&others, &given);
        refuses(&others, &["--jwks-url is not given"]);
    }

    #[test]
    fn all_broken_rules_are_told() {
        let refused = parse(&["--only-documents", "--tls-key", "k"]).expect_err("two");
        assert!(
            refused.contains("--documents") && refused.contains("--tls-cert"),
            "{refused}"
        );
    }
}
