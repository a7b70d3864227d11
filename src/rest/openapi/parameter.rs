//! The parameters of the document: which there are, what they mean, which values they take.

use utoipa::openapi::{
    ObjectBuilder, OneOf, RefOr, Required, Schema, Type,
    path::{Parameter, ParameterBuilder, ParameterIn},
};

use crate::rest::{
    filter::Operator,
    query::{Column, Kind, Noun},
};

/// Every parameter that filters by a column.
pub(super) fn filters<F>(column: &Column<F>) -> Vec<(String, Operator)> {
    let fitting = Operator::NAMES
        .iter()
        .filter_map(|name| Some((*name, Operator::named(name)?)))
        .filter(|(_, operator)| operator.fits(column.kind));
    let mut all: Vec<(String, Operator)> = fitting
        .map(|(name, operator)| (format!("{}__{name}", column.name), operator))
        .collect();
    if Operator::Eq.fits(column.kind) {
        all.insert(0, (column.name.to_owned(), Operator::Eq));
    }
    all
}

/// The names of the parameters that a path takes; those for pages are checked everywhere, and mean something in a collection.
pub(super) fn parameters<F>(noun: &Noun<F>, collection: bool) -> Vec<String> {
    let mut names = vec!["limit".to_owned(), "offset".to_owned()];
    let of_noun = |name: &str| format!("{}.{name}", noun.plural);
    names.extend(["field", "order", "property"].map(of_noun));
    if collection {
        let filters = noun.columns.iter().flat_map(filters);
        names.extend(filters.map(|(name, _)| of_noun(&name)));
    }
    names
}

pub(super) fn query(name: &str, description: &str, schema: impl Into<Schema>) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(RefOr::T(schema.into())))
        .build()
}

pub(super) fn meaning(operator: Operator) -> &'static str {
    match operator {
        Operator::Eq | Operator::In => "Equal to one of these",
        Operator::Ne | Operator::NotIn => "Equal to none of these",
        Operator::Lt => "Less than all of these",
        Operator::Le => "At most as great as all of these",
        Operator::Gt => "Greater than all of these",
        Operator::Ge => "At least as great as all of these",
        Operator::Contains => {
            "With one of these in it: as a part of a text, in the digits of a number, among the elements of a list"
        }
    }
}

/// A value that a field can be compared with.
pub(super) fn value(kind: Kind) -> RefOr<Schema> {
    let of = |kind| ObjectBuilder::new().schema_type(kind);
    match kind {
        Kind::Number { nullable: false } | Kind::Numbers => of(Type::Integer).into(),
        Kind::Number { nullable: true } => {
            let mut either = OneOf::new();
            either.items.push(of(Type::Integer).into());
            either
                .items
                .push(of(Type::String).enum_values(Some(["null"])).into());
            RefOr::T(Schema::OneOf(either))
        }
        Kind::Bool => of(Type::Boolean).into(),
        Kind::Text { .. } | Kind::Texts | Kind::Opaque => of(Type::String).into(),
        Kind::Identifier => of(Type::String)
            .pattern(Some("^[A-Za-z_-][A-Za-z0-9._-]*$"))
            .max_length(Some(50))
            .into(),
    }
}
