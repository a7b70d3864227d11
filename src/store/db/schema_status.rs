//! Whether the schema of a database that is served is still one that we can read: others may change
//! it meanwhile.

use std::fmt;

use crate::{
    domain::error::Result,
    store::db::{
        database::Db,
        migrate::{applied_migrations, known_migrations},
        revision::{NEWEST_REVISION, OLDEST_REVISION, revision},
    },
};

/// How a database's schema compares with what this program knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SchemaStatus {
    /// It is the same.
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
    /// Whether queries can be answered, as far as is known.
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
    /// Reads the status of the schema as it is now.
    pub(crate) async fn schema_status(&self) -> Result<SchemaStatus> {
        if self.is_buildbots() {
            let revision = revision(&self.reader).await?;
            return Ok(match revision.as_str() {
                older if older < OLDEST_REVISION => SchemaStatus::OlderRevision(revision),
                newer if newer > NEWEST_REVISION => SchemaStatus::NewerRevision(revision),
                _ => SchemaStatus::Whole,
            });
        }
        let applied = applied_migrations(&self.reader).await?;
        let mut missing = known_migrations();
        if let Some(newer) = applied.iter().find(|name| !missing.contains(name)) {
            return Ok(SchemaStatus::Newer(newer.clone()));
        }
        missing.retain(|name| !applied.contains(name));
        Ok(if missing.is_empty() {
            SchemaStatus::Whole
        } else {
            SchemaStatus::Pending(missing)
        })
    }
}
