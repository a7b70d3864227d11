//! What a server says of itself when it starts, in the log and to people.

use crate::{
    app::App,
    config::{Config, http::Anonymous},
    domain::command_error::CommandError,
    http::listener::socket::ListeningSocket,
    log::TARGET,
    store::{db::location::DatabaseLocation, token},
};

/// The version of the program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A first request to try, as the body of a POST.
const EXAMPLE: &str = r#"{"query":"{ builds(last: 1) { nodes { number builder { name } steps { number name stateString results } } } }"}"#;

/// What is said where any host is taken.
const ANY: &str = "any: --allowed-host names those by which the server may be asked";

/// By whose names the server may be asked.
fn hosts(config: &Config) -> String {
    let allowed = &config.http.allowed_host;
    if !allowed.is_empty() {
        let allowed: Vec<_> = allowed.iter().map(ToString::to_string).collect();
        return allowed.join(" ");
    }
    if config.takes_any_host(&config.http.listen) {
        return ANY.to_owned();
    }
    let mut hosts = vec!["localhost", "addresses"];
    if config.connection.is_tls() {
        hosts.push("the certificate's names");
    }
    if !config.connection.trusted_proxy.is_empty() {
        hosts.push("any from trusted proxies");
    }
    hosts.join(", ")
}

/// What a server says of itself when it starts.
pub(crate) struct Summary {
    database: String,
    /// Whose the database is, and what it is served for.
    owner: &'static str,
    /// Whether builders, builds and steps can be written, or why not.
    writable: String,
    /// Whether there is a change feed, or why there is none.
    feed: String,
    anonymous: &'static str,
    tokens: usize,
    /// The issuer whose JWTs are taken.
    jwt: String,
    listen: Vec<String>,
    /// Where `/metrics` and `/readyz` are, if not there.
    ops_listen: Vec<String>,
    /// By whose names the server may be asked.
    hosts: String,
    /// What the URLs in the greeting begin with, and what an example tells curl of the socket.
    base_url: String,
    ops_url: String,
    curl: String,
    has_page: bool,
    has_graphiql: bool,
}

impl Summary {
    /// Looks at a server that is about to serve.
    pub(crate) async fn of(
        app: &App,
        listeners: &[ListeningSocket],
        ops: &[ListeningSocket],
        scheme: &str,
    ) -> Result<Self, CommandError> {
        let (config, db) = (&app.config, &app.db);
        let location = DatabaseLocation::parse(&config.database)?;
        let first = listeners.first();
        let base_url = first.and_then(|socket| socket.base_url(scheme));
        let curl = match (&base_url, first) {
            (None, Some(socket)) => {
                let path = socket.to_string();
                format!("--unix-socket {} ", path.trim_start_matches("unix:"))
            }
            _ => String::new(),
        };
        let local = || format!("{scheme}://localhost");
        Ok(Self {
            database: format!("{}, {}", location.product(), location.display_url),
            owner: if db.is_buildbots() {
                "a Buildbot master"
            } else {
                "us"
            },
            writable: db
                .writability()
                .map_or_else(|why| why.to_string(), |()| "yes".to_owned()),
            feed: match app.feed.epoch() {
                Ok(_) => "attached".to_owned(),
                Err(why) => why.to_string(),
            },
            anonymous: match config.anonymous() {
                Anonymous::None => "nothing",
                Anonymous::Read => "read",
                Anonymous::Write => "write",
            },
            tokens: token::hashes(db).await?.len(),
            jwt: config
                .token
                .jwt_issuer
                .clone()
                .unwrap_or_else(|| "off".to_owned()),
            listen: listeners.iter().map(ToString::to_string).collect(),
            ops_listen: ops.iter().map(ToString::to_string).collect(),
            hosts: hosts(config),
            ops_url: match ops.first() {
                Some(socket) => socket
                    .base_url(scheme)
                    .unwrap_or_else(|| socket.to_string()),
                None => base_url.clone().unwrap_or_else(local),
            },
            base_url: base_url.unwrap_or_else(local),
            curl,
            has_page: !config.http.no_page,
            has_graphiql: !config.http.no_graphiql,
        })
    }

    /// Writes it to the log.
    pub(crate) fn log(&self) {
        tracing::info!(
            target: TARGET,
            version = VERSION,
            database = self.database,
            owner = self.owner,
            writable = self.writable,
            feed = self.feed,
            anonymous = self.anonymous,
            tokens = self.tokens,
            jwt = self.jwt,
            listen = self.listen.join(" "),
            ops_listen = self.ops_listen.join(" "),
            hosts = self.hosts,
            "serving"
        );
    }

    /// The text that is printed for people: the server's addresses, and a first request to try.
    pub(crate) fn greeting(&self) -> String {
        let Self {
            base_url,
            ops_url,
            curl,
            ..
        } = self;
        let mut lines = vec![format!("buildbot-graphql {VERSION}")];
        if self.has_page {
            lines.push(format!("  page      {base_url}/"));
        }
        if self.has_graphiql {
            lines.push(format!("  GraphiQL  {base_url}/graphiql"));
        }
        lines.push(format!(
            "  GraphQL   {base_url}/graphql  (POST, GET, WebSocket, SSE, multipart)"
        ));
        lines.push(format!("  health    {base_url}/healthz  {ops_url}/readyz"));
        if self.listen.len() > 1 || !curl.is_empty() {
            lines.push(format!("  listening {}", self.listen.join(" ")));
        }
        if self.hosts.starts_with(ANY) {
            lines.push(format!("  hosts     {}", self.hosts));
        }
        if self.owner != "us" {
            lines.push(match &*self.feed {
                "attached" => {
                    "  database  a Buildbot master's: queries and subscriptions".to_owned()
                }
                why => format!("  database  a Buildbot master's, queries alone: {why}"),
            });
        } else if self.writable != "yes" {
            lines.push(format!("  database  {}", self.writable));
        }
        lines.push(format!(
            "Try:\n  curl -s {curl}{base_url}/graphql -H 'Content-Type: application/json' \\\n    -d '{EXAMPLE}'"
        ));
        lines.join("\n")
    }
}
