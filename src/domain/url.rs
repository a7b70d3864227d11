//! The links of a step, as `steps.urls_json` holds them, and what a new one may be.

use serde::{Deserialize, Serialize};

use crate::domain::invalid_argument::InvalidArgument;

/// A link shown with a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Url {
    /// The text of the link.
    pub(crate) name: String,
    /// Where it leads.
    pub(crate) url: String,
}

/// The longest name of a link, in characters.
pub(crate) const MAX_NAME: usize = 255;
/// The longest address of a link, in characters.
pub(crate) const MAX_URL: usize = 2_048;

impl Url {
    /// Reads `urls_json`, or none where it is not a list of names and addresses.
    #[must_use]
    pub(crate) fn read(json: &str) -> Option<Vec<Self>> {
        serde_json::from_str(json).ok()
    }

    /// Writes `urls_json` in the very form that Buildbot's Python does, so that both read alike:
    /// a space after comma and colon, and every character beyond ASCII escaped.
    #[must_use]
    pub(crate) fn write(urls: &[Self]) -> String {
        let items: Vec<String> = urls
            .iter()
            .map(|u| {
                format!(
                    "{{\"name\": {}, \"url\": {}}}",
                    quote(&u.name),
                    quote(&u.url)
                )
            })
            .collect();
        format!("[{}]", items.join(", "))
    }

    /// Checks a new link. Pages render these links, so only http and https pass.
    ///
    /// # Errors
    /// The argument that breaks a rule.
    pub(crate) fn check(&self) -> Result<(), InvalidArgument> {
        let invalid = |argument, reason| Err(InvalidArgument::new(argument, reason));
        for (argument, text, max) in [("name", &self.name, MAX_NAME), ("url", &self.url, MAX_URL)] {
            let length = text.chars().count();
            if length > max {
                let rule = format!("at most {max} characters, got {length}");
                return invalid(argument, rule);
            }
            if text.chars().any(char::is_control) {
                return invalid(argument, format!("no control characters, got {text:?}"));
            }
        }
        if self.name.trim().is_empty() {
            let rule = format!(
                "1 to {MAX_NAME} characters, not just spaces, got {:?}",
                self.name
            );
            return invalid("name", rule);
        }
        match url::Url::parse(&self.url) {
            Ok(u) if matches!(u.scheme(), "http" | "https") => Ok(()),
            _ => {
                let rule = format!("an absolute http or https URL, got {:?}", self.url);
                invalid("url", rule)
            }
        }
    }
}

fn quote(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len() + 2);
    for c in serde_json::Value::from(text).to_string().chars() {
        // Python escapes U+007F, though it is ASCII.
        if c.is_ascii() && c != '\u{7f}' {
            out.push(c);
        } else {
            // JSON escapes a character beyond U+FFFF as a surrogate pair.
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(name: &str, url: &str) -> Url {
        Url {
            name: name.into(),
            url: url.into(),
        }
    }

    #[test]
    fn writes_what_pythons_json_writes() {
        let urls = [url("ü \"<b>\" 🙂", "https://example.org/"), url("a", "b")];
        let text = Url::write(&urls);
        assert_eq!(
            text,
            r#"[{"name": "\u00fc \"<b>\" \ud83d\ude42", "url": "https://example.org/"}, {"name": "a", "url": "b"}]"#
        );
        assert_eq!(Url::read(&text).as_deref(), Some(&urls[..]));
        assert_eq!(Url::write(&[]), "[]");
        assert_eq!(Url::read(r#"[{"name": null, "url": "x"}]"#), None);
        assert_eq!(Url::read("{"), None);
    }

    #[test]
    fn only_plain_http_links_pass() {
        assert_eq!(url("docs", "https://example.org/a?b#c").check(), Ok(()));
        assert_eq!(url("_", "HTTP://example.org").check(), Ok(()));
        for empty in ["", " ", "\u{3000}\u{a0}"] {
            let error = url(empty, "https://x/").check().expect_err("empty");
            assert_eq!(error.argument, "name", "{empty:?}");
        }
        for bad in [
            "",
            "docs",
            "/a",
            "javascript:alert(1)",
            "ftp://x/",
            "https://a/\n",
        ] {
            assert_eq!(
                url("n", bad).check().expect_err(bad).argument,
                "url",
                "{bad}"
            );
        }
        assert_eq!(
            url("a\nb", "https://x/")
                .check()
                .expect_err("control")
                .argument,
            "name"
        );
        assert_eq!(
            url(&"n".repeat(256), "https://x/")
                .check()
                .expect_err("long")
                .argument,
            "name"
        );
        let long = format!("https://x/{}", "a".repeat(2_039));
        assert_eq!(url("n", &long).check().expect_err("long").argument, "url");
    }
}
