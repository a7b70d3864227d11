//! A field that rows can be filtered and ordered by.

use sea_orm::{Condition, DbBackend, EntityTrait, Select, sea_query::Expr};

use crate::{
    domain::filter::Test,
    store::{db::dialect::SqlDialect, row::FromRow, row_bytes::RowBytes},
};

/// A field that rows can be filtered and ordered by.
pub(crate) trait FilterField: Copy + std::fmt::Debug {
    /// Its value in SQL.
    fn sql(self, dialect: SqlDialect) -> Expr;

    fn is_nullable(self) -> bool;

    /// Whether it is text, else a number.
    fn is_text(self) -> bool;

    /// Whether all rows have the same value, so that ordering by it changes nothing.
    fn is_constant(self, _dialect: SqlDialect) -> bool {
        false
    }

    /// What rows are ordered by where that is not the field's value, such as a list; no list is the
    /// least.
    fn rank(self, _dialect: SqlDialect) -> Option<Expr> {
        None
    }

    /// A test in SQL other than one of `sql`, such as whether a list has an element.
    fn own_test(self, _dialect: SqlDialect, _test: &Test) -> Option<Condition> {
        None
    }
}

/// A table whose rows are listed.
pub(crate) trait ListedEntity: EntityTrait<Model: FromRow + RowBytes> {
    /// What its rows are filtered and ordered by.
    type Field: FilterField;

    /// The table's name.
    const TABLE: &'static str;

    /// Selects every column of the model, in the order of its fields.
    fn select(_dialect: SqlDialect) -> Select<Self> {
        Self::find()
    }
}

/// 1 where the condition holds, else 0.
pub(crate) fn flag(condition: Expr) -> Expr {
    Expr::case(condition, Expr::cust("1"))
        .finally(Expr::cust("0"))
        .into()
}

/// The field's bytes if the database would compare texts by the rules of a language.
pub(crate) fn bytes<F: FilterField>(dialect: SqlDialect, field: F) -> Expr {
    match dialect.backend {
        DbBackend::MySql if field.is_text() => utf8_bytes(field.sql(dialect)),
        _ => field.sql(dialect),
    }
}

/// A text's bytes in UTF-8 on MariaDB and MySQL, whatever character set its column has: Buildbot's
/// may have three bytes a character, or be in Latin-1.
pub(crate) fn utf8_bytes(text: Expr) -> Expr {
    Expr::cust_with_expr("CAST(CONVERT(? USING utf8mb4) AS BINARY)", text)
}

/// What the field is ordered by, and compared as less or greater: texts by code point.
pub(crate) fn ordered<F: FilterField>(dialect: SqlDialect, field: F) -> Expr {
    match dialect.backend {
        DbBackend::Postgres if field.is_text() => {
            Expr::cust_with_expr("$1 COLLATE \"C\"", field.sql(dialect))
        }
        _ => bytes(dialect, field),
    }
}
