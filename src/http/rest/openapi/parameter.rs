//! The parameters of the document: which there are, what they mean, which values they take.

use utoipa::openapi::{
    ObjectBuilder, OneOf, RefOr, Required, Schema, Type,
    path::{Parameter, ParameterBuilder, ParameterIn},
};

use crate::http::rest::{
    filter::FilterOperator,
    query::{FieldKind, Resource, ResourceField},
};

/// Every parameter that filters by a column.
pub(crate) fn filters<F>(column: &ResourceField<F>) -> Vec<(String, FilterOperator)> {
    let fitting = FilterOperator::NAMES
        .iter()
        .filter_map(|name| Some((*name, FilterOperator::named(name)?)))
        .filter(|(_, operator)| operator.fits(column.kind));
    let mut all: Vec<(String, FilterOperator)> = fitting
        .map(|(name, operator)| (format!("{}__{name}", column.name), operator))
        .collect();
    if FilterOperator::Eq.fits(column.kind) {
        all.insert(0, (column.name.to_owned(), FilterOperator::Eq));
    }
    all
}

/// The names of the parameters that a path takes; those for pages are checked everywhere, and mean something in a collection.
pub(crate) fn parameters<F>(noun: &Resource<F>, collection: bool) -> Vec<String> {
    let mut names = vec!["limit".to_owned(), "offset".to_owned()];
    let of_noun = |name: &str| format!("{}.{name}", noun.plural);
    names.extend(["field", "order", "property"].map(of_noun));
    if collection {
        let filters = noun.columns.iter().flat_map(filters);
        names.extend(filters.map(|(name, _)| of_noun(&name)));
    }
    names
}

pub(crate) fn query(name: &str, description: &str, schema: impl Into<Schema>) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(RefOr::T(schema.into())))
        .build()
}

pub(crate) fn meaning(operator: FilterOperator) -> &'static str {
    match operator {
        FilterOperator::Eq | FilterOperator::In => "Equal to one of these",
        FilterOperator::Ne | FilterOperator::NotIn => "Equal to none of these",
        FilterOperator::Lt => "Less than all of these",
        FilterOperator::Le => "At most as great as all of these",
        FilterOperator::Gt => "Greater than all of these",
        FilterOperator::Ge => "At least as great as all of these",
        FilterOperator::Contains => {
            "With one of these in it: as a part of a text, in the digits of a number, among the elements of a list"
        }
    }
}

/// A value that a field can be compared with.
pub(crate) fn value(kind: FieldKind) -> RefOr<Schema> {
    let of = |kind| ObjectBuilder::new().schema_type(kind);
    match kind {
        FieldKind::Number { nullable: false } | FieldKind::Numbers => of(Type::Integer).into(),
        FieldKind::Number { nullable: true } => {
            let mut either = OneOf::new();
            either.items.push(of(Type::Integer).into());
            either
                .items
                .push(of(Type::String).enum_values(Some(["null"])).into());
            RefOr::T(Schema::OneOf(either))
        }
        FieldKind::Bool => of(Type::Boolean).into(),
        FieldKind::Text { .. } | FieldKind::Texts | FieldKind::Opaque => of(Type::String).into(),
        FieldKind::Identifier => of(Type::String)
            .pattern(Some("^[A-Za-z_-][A-Za-z0-9._-]*$"))
            .max_length(Some(50))
            .into(),
    }
}
