//! The URL of a database server, taken apart so that no log, error or trace has its password.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::domain::command_error::CommandError;

/// The parameters that the drivers read. PostgreSQL's would log the value of any other.
const PARAMETERS: [&str; 23] = [
    "application_name",
    "charset",
    "collation",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "port",
    "socket",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslca",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "time-zone",
    "timezone",
    "user",
];

/// A server's URL.
pub(crate) struct ServerUrl {
    /// The URL for a driver, without its password.
    pub(crate) url: String,
    pub(crate) password: Option<String>,
    /// The URL for people: without parameters too.
    pub(crate) display_url: String,
}

impl ServerUrl {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// The rule that it breaks, without a part of it, which may be the password's.
    pub(crate) fn parse(text: &str) -> Result<Self, CommandError> {
        let rule = |rule: &str| CommandError::Url(rule.to_owned());
        let mut url = Url::parse(text).map_err(|e| rule(&e.to_string()))?;
        if url.cannot_be_a_base() || !text.contains("://") {
            return Err(rule("a URL with // after its scheme"));
        }
        let mut password = url.password().map(decode).transpose()?;
        let has_at = url.query_pairs().any(|(name, _)| name.contains('@'));
        // What is shown would be a part of the password.
        if has_at || url.path().contains('@') || url.fragment().is_some() {
            return Err(rule(
                "a URL whose user, password and database have each @, /, ? and # as %40, %2F, %3F and %23",
            ));
        }
        let mut known = Vec::new();
        for (name, value) in url.query_pairs() {
            match &*name {
                "password" => password = Some(value.into_owned()),
                name if is_known(name) => known.push((name.to_owned(), value.into_owned())),
                _ => {
                    tracing::warn!(%name, "an unknown parameter of the database URL is left aside");
                }
            }
        }
        if url.path().len() < 2 {
            return Err(rule(
                "the name of a database at its end, such as postgres://host/buildbot",
            ));
        }
        // Fails only for a URL without a host, which has no password.
        let _ = url.set_password(None);
        url.set_query(None);
        let display_url = url.to_string();
        if !known.is_empty() {
            url.query_pairs_mut().extend_pairs(known);
        }
        Ok(Self {
            url: url.into(),
            password,
            display_url,
        })
    }
}

fn is_known(parameter: &str) -> bool {
    PARAMETERS.contains(&parameter) || parameter.starts_with("options[")
}

fn decode(password: &str) -> Result<String, CommandError> {
    let decoded = percent_decode_str(password).decode_utf8();
    let decoded = decoded.map_err(|_| CommandError::Url("a password in UTF-8".to_owned()))?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use crate::store::db::server_url::ServerUrl;

    #[test]
    fn a_password_is_found_and_shown_nowhere() {
        for (given, password, shown) in [
            ("postgres://u:hunter2@h/d", "hunter2", "postgres://u@h/d"),
            ("postgres://u:hunt:er2@h/d", "hunt:er2", "postgres://u@h/d"),
            ("postgres://u:hunt@er2@h/d", "hunt@er2", "postgres://u@h/d"),
            (
                "postgres://u:%68unter2%2F@h/d",
                "hunter2/",
                "postgres://u@h/d",
            ),
            ("postgres://:hunter2@h:1/d", "hunter2", "postgres://h:1/d"),
            (
                "postgres://u@h/d?password=hunter2",
                "hunter2",
                "postgres://u@h/d",
            ),
            (
                "postgres://u:x@h/d?password=hunter2",
                "hunter2",
                "postgres://u@h/d",
            ),
            (
                "postgres:///d?host=/run&password=hunter2",
                "hunter2",
                "postgres:///d",
            ),
            (
                "mysql://u:hunter2@[::1]:3306/d",
                "hunter2",
                "mysql://u@[::1]:3306/d",
            ),
            (
                "mysql://u:hun\nter2@h/d?socket=/s",
                "hunter2",
                "mysql://u@h/d",
            ),
        ] {
            let found = ServerUrl::parse(given).expect(given);
            assert_eq!(found.password.as_deref(), Some(password), "{given}");
            assert_eq!(found.display_url, shown, "{given}");
            assert!(!found.url.contains("hunt"), "{given}: {}", found.url);
        }
    }

    #[test]
    fn parameters_that_no_driver_reads_are_left_aside() {
        let given = "postgres://h/d?sslpassword=a&sslmode=require&options[x]=1&odd=2";
        let found = ServerUrl::parse(given).expect("a URL");
        assert_eq!(found.url, "postgres://h/d?sslmode=require&options%5Bx%5D=1");
    }

    #[test]
    fn what_may_be_a_part_of_a_password_is_refused() {
        for given in [
            "mysql:u:hunter2@h/d",
            "postgres:/u:hunter2@h/d",
            "postgres://u:1/hunter2@h/d",
            "postgres://u:1#hunter2@h/d",
            "postgres://u:1/?hunter2@h/d",
            "postgres://u:x@y/hunter2@h/d",
            "postgres://u:hunter2@/d",
            "postgres://u:hunter2@[::1/d",
            "postgres://u:hunter2@h:x/d",
            "postgres://u:hunter2%FF@h/d",
            "postgres://u:hunter2@h",
        ] {
            let refused = ServerUrl::parse(given).err().expect(given).to_string();
            assert!(!refused.contains("hunter2"), "{given}: {refused}");
        }
    }
}
