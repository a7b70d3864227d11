//! The parameters of the document: which there are, what they mean, which values they take.

use utoipa::openapi::{
    ArrayBuilder, ObjectBuilder, OneOf, RefOr, Required, Schema, Type,
    path::{Parameter, ParameterBuilder, ParameterIn},
};

use crate::http::rest::{
    filter::FilterOperator,
    openapi::schema::text,
    resource::{FieldKind, Resource, ResourceField},
};

/// The parameters that lists of this kind take, by their names among the components.
pub(crate) fn resource_parameters<F>(resource: &Resource<F>) -> Vec<(String, Parameter)> {
    let field_names = |prefixes: &'static [&'static str]| {
        let names = resource.fields.iter().map(|field| field.name);
        let all = names.flat_map(|n| prefixes.iter().map(move |p| format!("{p}{n}")));
        text().enum_values(Some(all))
    };
    let mut parameters = Vec::new();
    let mut add = |name: &str, description: &str, values: RefOr<Schema>| {
        let list = Schema::Array(ArrayBuilder::new().items(values).build());
        let key = format!("{}.{name}", resource.plural);
        parameters.push((key, parameter(name, description, list)));
    };
    add(
        "field",
        "Only this field; repeat it for more",
        field_names(&[""]).into(),
    );
    add(
        "order",
        "Order by this field, descending with -; the first is the most significant",
        field_names(&["", "-"]).into(),
    );
    add(
        "property",
        "Give builds the property of this name, or with * all",
        text().into(),
    );
    for field in resource.fields {
        for (name, operator) in filters(field) {
            add(&name, describe(operator), value_schema(field.kind));
        }
    }
    parameters
}

/// The parameters that all lists take.
pub(crate) fn page_parameters() -> Vec<(String, Parameter)> {
    let number = |name: &str, description: &str| {
        let schema = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0));
        (
            name.to_owned(),
            parameter(name, description, schema.build()),
        )
    };
    vec![
        number(
            "limit",
            "At most so many; --rest-max-rows is the most there is",
        ),
        number("offset", "So many are left out first"),
    ]
}

/// The component names of the parameters that a path takes. Page parameters are checked on every
/// path, though only collections use them.
pub(crate) fn parameter_names<F>(resource: &Resource<F>, is_collection: bool) -> Vec<String> {
    let mut names = vec!["limit".to_owned(), "offset".to_owned()];
    let in_components = |name: &str| format!("{}.{name}", resource.plural);
    names.extend(["field", "order", "property"].map(in_components));
    if is_collection {
        let filters = resource.fields.iter().flat_map(filters);
        names.extend(filters.map(|(name, _)| in_components(&name)));
    }
    names
}

/// Every parameter that filters by this field, with its operator.
fn filters<F>(field: &ResourceField<F>) -> Vec<(String, FilterOperator)> {
    let operators = FilterOperator::NAMES
        .iter()
        .filter_map(|name| Some((*name, FilterOperator::from_name(name)?)))
        .filter(|(_, operator)| operator.is_for(field.kind));
    let named = operators.map(|(name, operator)| (format!("{}__{name}", field.name), operator));
    let plain = (field.name.to_owned(), FilterOperator::Eq);
    let plain = FilterOperator::Eq.is_for(field.kind).then_some(plain);
    plain.into_iter().chain(named).collect()
}

fn parameter(name: &str, description: &str, schema: impl Into<Schema>) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(RefOr::T(schema.into())))
        .build()
}

fn describe(operator: FilterOperator) -> &'static str {
    match operator {
        FilterOperator::Eq | FilterOperator::In => "Equal to one of these",
        FilterOperator::Ne | FilterOperator::NotIn => "Equal to none of these",
        FilterOperator::Lt => "Less than all of these",
        FilterOperator::Le => "At most as great as all of these",
        FilterOperator::Gt => "Greater than all of these",
        FilterOperator::Ge => "At least as great as all of these",
        FilterOperator::Contains => {
            "With one of these in it: as a part of a text, in the digits of a number, \
             among the elements of a list"
        }
    }
}

/// A value that a field can be compared with.
fn value_schema(kind: FieldKind) -> RefOr<Schema> {
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
