//! Why a command of the command line failed.

use crate::domain::error::Error;

/// Why a command failed, such as a server that cannot start. Texts are for the operator, who may
/// read paths.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// One of the operator's documents cannot be run.
    #[error("--documents {file}: {reason}")]
    Documents {
        /// The file as named on the command line.
        file: String,
        /// Which document, and what is wrong.
        reason: String,
    },
    /// The server's own schema cannot be used to check documents.
    #[error("the GraphQL schema cannot be read: {0}")]
    Schema(String),
    /// The database URL is not one that this program understands.
    #[error("--database-url: {0}")]
    Url(String),
    /// The database cannot be opened.
    #[error("cannot open the database {url}: {reason}")]
    Open {
        /// The database as named on the command line, without a password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The database was written by a newer version of this program.
    #[error(
        "the database {url} is newer than this program: it has the migration {migration}, which this one does not know"
    )]
    Newer {
        /// The database as named on the command line, without a password.
        url: String,
        /// The first unknown migration.
        migration: String,
    },
    /// The database needs migrations, and `--no-migrate` forbids them.
    #[error("the database {url} has pending migrations: {}; run `buildbot-graphql migrate`, or serve without --no-migrate", pending.join(", "))]
    Pending {
        /// The database as named on the command line, without a password.
        url: String,
        /// The migrations that are missing.
        pending: Vec<String>,
    },
    /// The database is Buildbot's, and this command is for our own.
    #[error("the database {url} belongs to a Buildbot master: {advice}")]
    Buildbot {
        /// The database as named on the command line, without a password.
        url: String,
        /// What to do instead.
        advice: String,
    },
    /// The database holds what the demo did not make.
    #[error(
        "--demo: the database {url} was not made by --demo, which fills its database with simulated builds; leave \
         --database-url out, or name a new one"
    )]
    NotDemo {
        /// The database as named on the command line, without a password.
        url: String,
    },
    /// The database is ours or empty, and this command is for a Buildbot master's.
    #[error(
        "the database {url} is not a Buildbot master's: it has no table alembic_version; our own records its changes by itself"
    )]
    NotBuildbots {
        /// The database as named on the command line, without a password.
        url: String,
    },
    /// The database's schema cannot be changed.
    #[error("cannot change the database {url}: {reason}")]
    Change {
        /// The database as named on the command line, without a password.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no copy of the database.
    #[error("cannot make the backup {file}: {reason}")]
    Backup {
        /// The file that was to be made.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address, of those that `--listen` stands for.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no TLS with these files.
    #[error("{flag} {}: {reason}", file.display())]
    Tls {
        /// The flag that named the file.
        flag: &'static str,
        /// The file.
        file: std::path::PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// `serve --check` has found so many faults, which the log has named.
    #[error("the server would not start: {0} of its settings or surroundings must be mended")]
    Check(usize),
    /// A server's builds cannot be watched, or no longer.
    #[error("cannot watch {url}: {reason}")]
    Watch {
        /// The server's address.
        url: String,
        /// What is wrong, and what may help.
        reason: String,
    },
    /// A service failed while the server was starting.
    #[error("{0}")]
    Service(#[from] Error),
}
