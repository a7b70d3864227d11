//! Why a connection cannot go on, and what helps: reads errors, close codes and refused upgrades.

use serde_json::Value;

/// Why a connection cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Setback {
    /// There is no connection: try again, and go on at the cursor.
    Unreachable(String),
    /// It was lost or is refused for now: as above, after so many seconds if the server says so.
    Lost(String, Option<u64>),
    /// The cursor is of no use: begin with a new snapshot.
    Expired(String),
    /// The database has no change feed.
    Detached,
    /// Trying again is of no use.
    Refused(String),
}

/// What to do where a token is missing or wrong.
const TOKEN_ADVICE: &str =
    "give a valid token by --token-file or the variable BUILDBOT_GRAPHQL_TOKEN";

impl Setback {
    pub(crate) fn lost(why: impl Into<String>) -> Self {
        Self::Lost(why.into(), None)
    }

    /// The setback of an operation that ended with these errors.
    pub(crate) fn from_errors(errors: &Value) -> Self {
        let error = &errors[0];
        let extensions = &error["extensions"];
        let code = extensions["code"].as_str().unwrap_or_default();
        let message = error["message"]
            .as_str()
            .unwrap_or("an error without a message");
        let text = format!("{code}: {message}");
        let after = extensions["retryAfter"].as_u64();
        match code {
            "CURSOR_EXPIRED" | "FEED_LAGGED" | "NOT_FOUND" => Self::Expired(text),
            "FEED_DETACHED" => Self::Detached,
            "UNAVAILABLE" | "INTERNAL" | "CONFLICT" | "RATE_LIMITED" => Self::Lost(text, after),
            "LIMIT_EXCEEDED" if after.is_some() || extensions["limit"] == "max-seconds" => {
                Self::Lost(text, after)
            }
            "UNAUTHENTICATED" | "FORBIDDEN" => Self::Refused(format!("{text}; {TOKEN_ADVICE}")),
            _ => Self::Refused(text),
        }
    }

    /// The setback of a socket that the server closed.
    pub(crate) fn from_close(code: u16, reason: &str) -> Self {
        let text = format!("the server closed the connection with {code}: {reason}");
        let begins = |code| reason.starts_with(code);
        match code {
            1013 if begins("FEED_DETACHED") => Self::Detached,
            1013 if begins("FEED_LAGGED") || begins("CURSOR_EXPIRED") => Self::Expired(text),
            4403 => Self::Refused(format!("{reason}; {TOKEN_ADVICE}")),
            4408 => Self::lost(text),
            1002 | 1003 | 1007..=1010 | 4400..=4499 => Self::Refused(text),
            _ => Self::lost(text),
        }
    }

    /// The setback of an upgrade that was answered with another status than 101.
    pub(crate) fn from_status(status: u16) -> Self {
        let text = format!("the server answered with the HTTP status {status}");
        match status {
            401 | 403 => Self::Refused(format!("{text}; {TOKEN_ADVICE}")),
            408 | 425 | 429 | 500.. => Self::Unreachable(text),
            _ => Self::Refused(format!(
                "{text}: is this the address of a buildbot-graphql?"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(code: &str, extensions: &Value) -> Setback {
        let mut error = json!([{ "message": "m", "extensions": extensions }]);
        error[0]["extensions"]["code"] = json!(code);
        Setback::from_errors(&error)
    }

    #[test]
    fn errors_say_what_helps() {
        for code in ["CURSOR_EXPIRED", "FEED_LAGGED"] {
            assert!(
                matches!(of(code, &json!({})), Setback::Expired(_)),
                "{code}"
            );
        }
        assert_eq!(of("FEED_DETACHED", &json!({})), Setback::Detached);
        let limited = of("RATE_LIMITED", &json!({ "retryAfter": 7 }));
        assert_eq!(
            limited,
            Setback::Lost("RATE_LIMITED: m".to_owned(), Some(7))
        );
        let slow = of("LIMIT_EXCEEDED", &json!({ "limit": "max-seconds" }));
        assert!(matches!(slow, Setback::Lost(..)));
        let large = of("LIMIT_EXCEEDED", &json!({ "limit": "max-cost" }));
        assert!(matches!(large, Setback::Refused(_)));
        let Setback::Refused(text) = of("UNAUTHENTICATED", &json!({})) else {
            panic!("a token is missing")
        };
        assert!(text.contains("--token-file"), "{text}");
        assert!(matches!(
            Setback::from_errors(&json!([])),
            Setback::Refused(_)
        ));
    }

    #[test]
    fn close_codes_say_what_helps() {
        let of = Setback::from_close;
        assert_eq!(
            of(1013, "FEED_DETACHED: subscribe again"),
            Setback::Detached
        );
        assert!(matches!(of(1013, "FEED_LAGGED: x"), Setback::Expired(_)));
        assert!(matches!(of(1013, "UNAVAILABLE: x"), Setback::Lost(..)));
        assert!(matches!(of(1001, ""), Setback::Lost(..)));
        for code in [4400, 4403, 4429, 1009] {
            assert!(matches!(of(code, "x"), Setback::Refused(_)), "{code}");
        }
    }
}
