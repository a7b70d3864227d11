//! The schemas of answers.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema, Type},
};

use crate::http::rest::view::{BuildView, BuilderView, LogChunkView, LogView, StepView, UrlView};

pub(crate) fn object() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Object)
}

pub(crate) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// What is in `meta`.
pub(crate) fn meta_schema() -> ObjectBuilder {
    let total = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .description(Some(
            "How many match, before limit and offset; not for a single resource",
        ));
    let capped = ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .description(Some(
            "There are more rows than one answer holds: ask for them with offset",
        ));
    object().property("total", total).property("capped", capped)
}

/// The rows of every kind, and what is in them.
pub(crate) fn row_schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![
        (BuilderView::name().into_owned(), BuilderView::schema()),
        (BuildView::name().into_owned(), BuildView::schema()),
        (StepView::name().into_owned(), StepView::schema()),
        (LogView::name().into_owned(), LogView::schema()),
        (LogChunkView::name().into_owned(), LogChunkView::schema()),
    ];
    for (_, schema) in &mut schemas {
        // `field` may leave out any of them.
        if let RefOr::T(Schema::Object(object)) = schema {
            object.required.clear();
        }
    }
    schemas.push((UrlView::name().into_owned(), UrlView::schema()));
    schemas
}

/// An answer with rows of one kind.
pub(crate) fn list_schema(plural: &str, row: &str) -> ObjectBuilder {
    let rows = ArrayBuilder::new().items(Ref::from_schema_name(row));
    object()
        .property(plural, rows)
        .property("meta", Ref::from_schema_name("Meta"))
        .required(plural)
        .required("meta")
}
