//! Tokens: the entity, the server's reads, and what the command line does with them in a database
//! that need not be served meanwhile. A token's text is nowhere, only its hash.

use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DbErr, QueryOrder, QuerySelect, entity::prelude::*,
};

use crate::{
    config::database::DatabaseConfig,
    domain::{
        command_error::CommandError,
        error::{Error, Result},
    },
    store::{
        db::{
            connect::migrate,
            database::Db,
            error_kind::DbErrorKind,
            location::DatabaseLocation,
            owner::{DatabaseOwner, find_owner},
            pool::purpose::Purpose,
        },
        feed_install::{changes::SchemaChanges, session::InstallSession},
    },
};

/// A row of `graphql_tokens`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "graphql_tokens")]
pub(crate) struct Model {
    /// The SHA-256 of the token's text, in hexadecimal.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) hash: String,
    pub(crate) name: String,
    /// What it may do: "read" or "write".
    pub(crate) scope: String,
    /// In seconds since the epoch.
    pub(crate) created_at: i64,
    /// In seconds since the epoch; `None` never does.
    pub(crate) expires_at: Option<i64>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The token with this hash.
pub(crate) async fn by_hash(db: &Db, hash: &str) -> Result<Option<Model>> {
    let found = find(Entity::find_by_id(hash), &db.reader().await?).await?;
    Ok(found.into_iter().next())
}

/// The hashes of all tokens.
pub(crate) async fn hashes(db: &Db) -> Result<Vec<String>> {
    let hashes = Entity::find().select_only().column(Column::Hash);
    Ok(or_none(hashes.into_tuple().all(&db.reader().await?).await)?)
}

/// Runs a query. In a Buildbot master's database the table may be an earlier version's, whose
/// tokens never expire.
async fn find(query: Select<Entity>, db: &impl ConnectionTrait) -> Result<Vec<Model>, DbErr> {
    let found = match query.clone().all(db).await {
        Err(error) if DbErrorKind::of(&error) == DbErrorKind::MissingColumn => {
            let known = [Column::Hash, Column::Name, Column::Scope, Column::CreatedAt];
            query.select_only().columns(known).all(db).await
        }
        found => found,
    };
    or_none(found)
}

/// Reads a missing table as an empty one: a Buildbot master's database gets it with its first
/// token.
fn or_none<T: Default>(found: Result<T, DbErr>) -> Result<T, DbErr> {
    match found {
        Err(error) if DbErrorKind::of(&error) == DbErrorKind::MissingTable => Ok(T::default()),
        found => found,
    }
}

/// Adds a token, and returns what was added to the schema for it. Our own database is migrated
/// first, a Buildbot master's gets the table.
///
/// # Errors
/// The name is taken, or the reason why the database cannot be written to.
pub(crate) async fn add(
    config: &DatabaseConfig,
    token: Model,
) -> Result<SchemaChanges, CommandError> {
    let location = DatabaseLocation::parse(config)?;
    let changes = match find_owner(&location, config).await? {
        DatabaseOwner::Us => {
            migrate(config).await?;
            SchemaChanges::default()
        }
        DatabaseOwner::Buildbot => {
            let session = InstallSession::open(config).await?;
            let added = session.add_tokens().await;
            session.close(added).await?
        }
    };
    let name = token.name.clone();
    let row = ActiveModel {
        hash: Set(token.hash),
        name: Set(token.name),
        scope: Set(token.scope),
        created_at: Set(token.created_at),
        expires_at: Set(token.expires_at),
    };
    let db = location.open(config, Purpose::Command, 1).await?;
    let added = Entity::insert(row).exec_without_returning(&db).await;
    close(db).await;
    match added {
        Ok(_) => Ok(changes),
        Err(error) if DbErrorKind::of(&error) == DbErrorKind::Conflict => {
            let rule = format!("a name that is free, got {name:?}: revoke that token first");
            Err(Error::invalid("--name", rule).into())
        }
        Err(error) => Err(location.change_error(&error)),
    }
}

/// Every token, by name.
///
/// # Errors
/// There is no such database, or it cannot be read.
pub(crate) async fn list(config: &DatabaseConfig) -> Result<Vec<Model>, CommandError> {
    let (location, db) = open_existing(config, Purpose::Inspect).await?;
    let found = find(Entity::find().order_by_asc(Column::Name), &db).await;
    close(db).await;
    found.map_err(|e| location.open_error(&e))
}

/// Removes the token of this name.
///
/// # Errors
/// `NotFound`, or the database is not there or cannot be written to.
pub(crate) async fn remove(config: &DatabaseConfig, name: &str) -> Result<(), CommandError> {
    let (location, db) = open_existing(config, Purpose::Command).await?;
    let named = Entity::delete_many().filter(Column::Name.eq(name));
    let removed = named.exec(&db).await.map(|done| done.rows_affected);
    close(db).await;
    match or_none(removed).map_err(|e| location.change_error(&e))? {
        0 => Err(Error::not_found("token", format!("{name:?}")).into()),
        _ => Ok(()),
    }
}

/// Opens a database that must be there already, ours or a master's.
async fn open_existing(
    config: &DatabaseConfig,
    purpose: Purpose,
) -> Result<(DatabaseLocation, DatabaseConnection), CommandError> {
    let location = DatabaseLocation::parse_existing(config)?;
    find_owner(&location, config).await?;
    let db = location.open(config, purpose, 1).await?;
    Ok((location, db))
}

async fn close(db: DatabaseConnection) {
    if let Err(error) = db.close().await {
        tracing::debug!(%error, "the connection did not close cleanly");
    }
}
