//! Whether the schema of a database that is served still fits: others may change it meanwhile.

use std::fmt;

use migration::{Migrator, MigratorTrait};

use crate::{
    domain::error::Result,
    store::{
        Db,
        db::connect::{NEWEST_REVISION, OLDEST_REVISION, revision, texts},
    },
};

/// How a database's schema fits this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SchemaStatus {
    /// It does.
    Whole,
    /// These migrations of ours are missing.
    Pending(Vec<String>),
    /// A newer version of this program has changed it.
    Newer(String),
    /// Buildbot's schema is newer than this program knows.
    NewerRevision(String),
    /// Buildbot's schema is older than this program can read.
    OlderRevision(String),
}

impl SchemaStatus {
    /// Queries can be answered, as far as is known.
    #[must_use]
    pub(crate) fn is_served(&self) -> bool {
        !matches!(self, Self::Pending(_) | Self::OlderRevision(_))
    }
}

impl fmt::Display for SchemaStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("ok"),
            Self::Pending(names) => {
                let names = names.join(", ");
                write!(f, "pending: {names}: run `buildbot-graphql migrate`")
            }
            Self::Newer(name) => {
                write!(f, "newer: it has {name}, which this program does not know")
            }
            Self::NewerRevision(revision) => write!(
                f,
                "newer: Buildbot's revision {revision}, and this program knows {NEWEST_REVISION}"
            ),
            Self::OlderRevision(revision) => write!(
                f,
                "older: Buildbot's revision {revision}, and {OLDEST_REVISION} is needed: run `buildbot upgrade-master`"
            ),
        }
    }
}

impl Db {
    /// Looks how the schema fits now.
    ///
    /// # Errors
    /// As every read: `Unavailable`, or `Internal`.
    pub(crate) async fn fit(&self) -> Result<SchemaStatus> {
        if self.is_buildbots() {
            let revision = revision(&self.reader).await?;
            return Ok(match revision.as_str() {
                older if older < OLDEST_REVISION => SchemaStatus::OlderRevision(revision),
                newer if newer > NEWEST_REVISION => SchemaStatus::NewerRevision(revision),
                _ => SchemaStatus::Whole,
            });
        }
        let applied = format!("SELECT version AS text FROM {}", migration::TABLE);
        let applied = texts(&self.reader, &applied).await?;
        let known: Vec<String> = Migrator::migrations()
            .iter()
            .map(|m| m.name().to_owned())
            .collect();
        if let Some(newer) = applied.iter().find(|name| !known.contains(name)) {
            return Ok(SchemaStatus::Newer(newer.clone()));
        }
        let missing = known.into_iter().filter(|name| !applied.contains(name));
        let missing: Vec<String> = missing.collect();
        Ok(if missing.is_empty() {
            SchemaStatus::Whole
        } else {
            SchemaStatus::Pending(missing)
        })
    }
}
