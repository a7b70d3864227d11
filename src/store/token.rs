//! Tokens as the database has them: never their text, only its hash.

use sea_orm::{
    ActiveValue::Set, DatabaseConnection, DbErr, QueryOrder, QuerySelect, RuntimeErr,
    entity::prelude::*, sqlx,
};

use crate::{
    config::database::DatabaseConfig,
    domain::error::{CommandError, Error, Result},
    store::{
        Db, DbErrorKind,
        db::{
            connect::{DatabaseLocation, DatabaseOwner},
            pool::Purpose,
        },
        feed_install::{InstallSession, SchemaChanges},
        trouble_of,
    },
};

/// A row of `graphql_tokens`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "graphql_tokens")]
pub(crate) struct Model {
    /// The SHA-256 of the token's text, in hexadecimal.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) hash: String,
    /// What people call it.
    pub(crate) name: String,
    /// What it may do: "read" or "write".
    pub(crate) scope: String,
    /// When it was made, in seconds since the epoch.
    pub(crate) created_at: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Db {
    /// The token with this hash.
    ///
    /// # Errors
    /// `Unavailable` where the database does not answer.
    pub(crate) async fn token(&self, hash: &str) -> Result<Option<Model>> {
        let found = Entity::find_by_id(hash).one(self.reader()).await;
        Ok(unless_missing(found)?)
    }

    /// The hashes of all tokens there are.
    ///
    /// # Errors
    /// `Unavailable` where the database does not answer.
    pub(crate) async fn token_hashes(&self) -> Result<Vec<String>> {
        let hashes = Entity::find().select_only().column(Column::Hash);
        Ok(unless_missing(
            hashes.into_tuple().all(self.reader()).await,
        )?)
    }
}

/// A Buildbot master's database has the table only once a token was made: without it there are no tokens.
fn unless_missing<T: Default>(found: Result<T, DbErr>) -> Result<T, DbErr> {
    match found {
        Err(error) if is_missing_table(&error) => Ok(T::default()),
        found => found,
    }
}

fn is_missing_table(error: &DbErr) -> bool {
    let (DbErr::Query(RuntimeErr::SqlxError(error)) | DbErr::Exec(RuntimeErr::SqlxError(error))) =
        error
    else {
        return false;
    };
    let sqlx::Error::Database(error) = &**error else {
        return false;
    };
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return error.number() == 1146;
    }
    // SQLite has no code of its own for it.
    error.code().as_deref() == Some("42P01") || error.message().starts_with("no such table")
}

/// What the command line does with tokens, in a database that need not be served meanwhile.
impl Db {
    /// Adds a token. Our own database is brought up to date first, a Buildbot master's gets the table; says what was put in.
    ///
    /// # Errors
    /// The name is taken, or the reason why the database cannot be written to.
    pub(crate) async fn add_token(
        config: &DatabaseConfig,
        token: Model,
    ) -> Result<SchemaChanges, CommandError> {
        let place = DatabaseLocation::of(config)?;
        let changes = match place.owner(config).await? {
            DatabaseOwner::Us => {
                Self::migrate(config).await?;
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
        };
        let db = place.pool(config, Purpose::Look, 1).await?;
        let added = Entity::insert(row).exec_without_returning(&db).await;
        close(db).await;
        match added {
            Ok(_) => Ok(changes),
            Err(error) if trouble_of(&error) == DbErrorKind::Conflict => {
                let rule = format!("a name that is free, got {name:?}: revoke that token first");
                Err(Error::invalid("--name", rule).into())
            }
            Err(error) => Err(place.cannot_change(&error)),
        }
    }

    /// Every token, by name.
    ///
    /// # Errors
    /// There is no such database, or it cannot be read.
    pub(crate) async fn tokens(config: &DatabaseConfig) -> Result<Vec<Model>, CommandError> {
        let (place, db) = existing(config).await?;
        let found = Entity::find().order_by_asc(Column::Name).all(&db).await;
        close(db).await;
        unless_missing(found).map_err(|e| place.cannot_open(&e))
    }

    /// Removes the token of this name.
    ///
    /// # Errors
    /// `NotFound`, or the database is not there or cannot be written to.
    pub(crate) async fn remove_token(
        config: &DatabaseConfig,
        name: &str,
    ) -> Result<(), CommandError> {
        let (place, db) = existing(config).await?;
        let named = Entity::delete_many().filter(Column::Name.eq(name));
        let gone = named.exec(&db).await.map(|gone| gone.rows_affected);
        close(db).await;
        match unless_missing(gone).map_err(|e| place.cannot_change(&e))? {
            0 => Err(Error::not_found("token", format!("{name:?}")).into()),
            _ => Ok(()),
        }
    }
}

/// A database that must be there already, ours or a master's, and a connection to it.
async fn existing(
    config: &DatabaseConfig,
) -> Result<(DatabaseLocation, DatabaseConnection), CommandError> {
    let place = DatabaseLocation::existing(config)?;
    place.owner(config).await?;
    let db = place.pool(config, Purpose::Look, 1).await?;
    Ok((place, db))
}

async fn close(db: DatabaseConnection) {
    if let Err(error) = db.close().await {
        tracing::debug!(%error, "the connection did not close cleanly");
    }
}
