//! Settings of `watch`: where the server is, what to show of it, and when to end.

use std::{env, fmt, path::PathBuf, str::FromStr};

use clap::Args;
use url::Url;

use crate::config::{
    secret_file::read_secret,
    value::{duration, switch, whole},
};

/// The variable of a token, which no flag takes: command lines are for everybody to see.
const TOKEN: &str = "BUILDBOT_GRAPHQL_TOKEN";

/// The greatest number that GraphQL's Int has.
const MOST_NUMBER: u64 = 2_147_483_647;

/// Settings of `watch`.
#[derive(Args, Clone, Debug)]
pub(crate) struct WatchConfig {
    /// The server's address, such as `http://127.0.0.1:8020`; /graphql may follow
    #[arg(env = "BUILDBOT_GRAPHQL_URL")]
    pub(crate) url: ServerAddress,
    /// Only the builds of this builder
    #[arg(long, env = "BUILDBOT_GRAPHQL_BUILDER", value_name = "NAME")]
    pub(crate) builder: Option<String>,
    /// Only the build of this number of that builder, with all of its steps
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_BUILD",
        value_name = "N",
        value_parser = whole::<i64>(1..=MOST_NUMBER),
    )]
    pub(crate) build: Option<i64>,
    /// Print this log of that build and follow it to its end: STEP/LOG, or LOG of the last step
    /// that has one
    #[arg(long, env = "BUILDBOT_GRAPHQL_FOLLOW_LOG", value_name = "NAME")]
    pub(crate) follow_log: Option<String>,
    /// End when that build is complete, with an exit status by its results: 0 for SUCCESS and
    /// WARNINGS, 12 FAILURE, 13 SKIPPED, 14 EXCEPTION, 15 RETRY, 16 CANCELLED
    #[arg(long, env = "BUILDBOT_GRAPHQL_WAIT", value_parser = switch)]
    pub(crate) wait: bool,
    /// With --wait, end after a time such as 90s, 30m or 2h, with the exit status 124
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration,
    )]
    pub(crate) timeout: Option<u64>,
    /// With --wait, print nothing
    #[arg(long, env = "BUILDBOT_GRAPHQL_QUIET", value_parser = switch)]
    pub(crate) quiet: bool,
    /// A file with the token to show, of one line [default: that in `BUILDBOT_GRAPHQL_TOKEN`]
    #[arg(long, env = "BUILDBOT_GRAPHQL_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    #[arg(skip)]
    pub(crate) token: Option<BearerToken>,
}

impl WatchConfig {
    /// Reads the token, and checks the rules between flags.
    ///
    /// # Errors
    /// The rule that is broken.
    pub(crate) fn complete(&mut self) -> Result<(), String> {
        match (self.build, &self.builder) {
            (Some(number), None) => {
                return Err(format!(
                    "--build {number}: builds are numbered within their builder: give --builder NAME too"
                ));
            }
            (None, _) if self.wait => {
                return Err(
                    "--wait: give --builder NAME and --build N, the build to wait for".into(),
                );
            }
            _ => {}
        }
        if let Some(name) = &self.follow_log {
            if self.build.is_none() {
                return Err(format!(
                    "--follow-log {name}: give --builder NAME and --build N, the build that has it"
                ));
            }
            if self.wait {
                return Err(format!("--follow-log {name}: not with --wait"));
            }
        }
        if let (Some(seconds), false) = (self.timeout, self.wait) {
            return Err(format!("--timeout {seconds}: only with --wait"));
        }
        if self.quiet && !self.wait {
            return Err("--quiet: only with --wait, there would be nothing to see".to_owned());
        }
        self.token = match &self.token_file {
            Some(file) => Some(read_secret("--token-file", "token", file)?),
            None => match env::var(TOKEN) {
                Ok(token) if token.trim().is_empty() => None,
                Ok(token) => Some(token),
                Err(env::VarError::NotPresent) => None,
                Err(env::VarError::NotUnicode(_)) => {
                    return Err(format!("{TOKEN}: it is not UTF-8"));
                }
            },
        }
        .map(|token| BearerToken(token.trim().to_owned()));
        Ok(())
    }
}

/// A token, which no log shows.
#[derive(Clone)]
pub(crate) struct BearerToken(pub(crate) String);

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken")
    }
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerAddress {
    /// As it was given.
    pub(crate) given: String,
    /// The address of its sockets, of the scheme ws or wss.
    pub(crate) socket: String,
    /// The name or address to connect to, an IPv6 address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) is_secure: bool,
}

/// What an address is, for those whose is not.
const RULE: &str = "a URL such as http://127.0.0.1:8020 or https://ci.example.org/graphql";

impl FromStr for ServerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut url = Url::parse(text).map_err(|_| RULE.to_owned())?;
        let (is_secure, scheme) = match url.scheme() {
            "http" | "ws" => (false, "ws"),
            "https" | "wss" => (true, "wss"),
            _ => return Err(RULE.to_owned()),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!(
                "{RULE}, without a user; a token is given by --token-file"
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("{RULE}, without ? and #"));
        }
        let port = url.port_or_known_default().unwrap_or_default();
        let host = url.host_str().ok_or(RULE)?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        if url.path() == "/" {
            url.set_path("/graphql");
        }
        let (_, rest) = url.as_str().split_once("://").ok_or(RULE)?;
        Ok(Self {
            given: text.to_owned(),
            socket: format!("{scheme}://{rest}"),
            host,
            port,
            is_secure,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, String, u16), String> {
        let address: ServerAddress = text.parse()?;
        Ok((address.socket, address.host, address.port))
    }

    #[test]
    fn addresses_lead_to_the_socket() {
        for (given, socket, host, port) in [
            (
                "http://127.0.0.1:8020",
                "ws://127.0.0.1:8020/graphql",
                "127.0.0.1",
                8020,
            ),
            (
                "http://127.0.0.1:8020/graphql",
                "ws://127.0.0.1:8020/graphql",
                "127.0.0.1",
                8020,
            ),
            ("ws://localhost/", "ws://localhost/graphql", "localhost", 80),
            ("https://[::1]", "wss://[::1]/graphql", "::1", 443),
            (
                "https://ci.example.org/bb/graphql",
                "wss://ci.example.org/bb/graphql",
                "ci.example.org",
                443,
            ),
        ] {
            let expected = (socket.to_owned(), host.to_owned(), port);
            assert_eq!(read(given), Ok(expected), "{given}");
        }
    }

    #[test]
    fn other_addresses_are_refused() {
        for given in [
            "127.0.0.1:8020",
            "localhost:8020",
            "ftp://x",
            "http://",
            "",
            "http://x?y",
            "http://u:p@x",
        ] {
            assert!(read(given).is_err_and(|e| e.starts_with(RULE)), "{given}");
        }
    }
}
