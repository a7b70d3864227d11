//! A field's text with one form for each letter of another text, whatever case it has there.

use sea_orm::{DbBackend, sea_query::Expr};

use crate::{
    domain::folded_text::FoldedText,
    store::{
        db::dialect::SqlDialect,
        query::field::{FilterField, bytes},
    },
};

/// The field's text, with the letters of `folded` in the form that they have there. No database has
/// a function that folds all of Unicode, but every one can replace characters.
pub(crate) fn fold<F: FilterField>(dialect: SqlDialect, field: F, folded: &FoldedText) -> Expr {
    let replaced = &folded.replaced;
    match dialect.backend {
        DbBackend::Postgres => {
            let [from, to]: [String; 2] = [
                replaced.iter().map(|(form, _)| form).collect(),
                replaced.iter().map(|(_, form)| form).collect(),
            ];
            let text = field.sql(dialect);
            Expr::cust_with_exprs("translate($1, $2, $3)", [text, from.into(), to.into()])
        }
        DbBackend::MySql => {
            let hex = |form: char| hex::encode(form.to_string());
            let forms = replaced
                .iter()
                .map(|(form, by)| format!(", X'{}', X'{}')", hex(*form), hex(*by)));
            Expr::cust_with_expr(nested("REPLACE(", "?", forms), bytes(dialect, field))
        }
        _ => {
            // `lower` changes ASCII alone.
            let whole = if replaced.iter().any(|(form, _)| form.is_ascii()) {
                "lower(?)"
            } else {
                "?"
            };
            let others = replaced.iter().filter(|(form, _)| !form.is_ascii());
            // They are letters, which need no quoting.
            let forms = others.map(|(form, by)| format!(", '{form}', '{by}')"));
            Expr::cust_with_expr(nested("replace(", whole, forms), field.sql(dialect))
        }
    }
}

/// Calls of a function, each with the one before as its first argument.
fn nested(call: &str, whole: &str, others: impl Iterator<Item = String>) -> String {
    let others: Vec<String> = others.collect();
    let mut sql = call.repeat(others.len());
    sql += whole;
    for other in others {
        sql += &other;
    }
    sql
}
