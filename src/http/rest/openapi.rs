//! The OpenAPI document, made from the same tables that requests are read with, so that it cannot say anything else.

pub(crate) mod parameter;

use serde_json::{Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, ComponentsBuilder, Content, HttpMethod, InfoBuilder, ObjectBuilder,
        OpenApiBuilder, PathItem, PathsBuilder, Ref, RefOr, Required, ResponseBuilder, Schema,
        ServerBuilder, Type,
        path::{OperationBuilder, ParameterBuilder, ParameterIn},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::http::rest::{
    build, builder,
    openapi::parameter::{filters, meaning, parameters, query, value},
    query::Resource,
    response::MEDIA,
    step,
    view::{BuildView, BuilderView, StepView, UrlView},
};

/// Every path, what it answers, and whether that is a collection.
const PATHS: [(&str, &str, bool); 12] = [
    ("/steps/{stepid}", "steps", false),
    ("/builds", "builds", true),
    ("/builds/{buildid}", "builds", false),
    ("/builds/{buildid}/steps", "steps", true),
    (
        "/builds/{buildid}/steps/{step_number_or_name}",
        "steps",
        false,
    ),
    ("/builders", "builders", true),
    ("/builders/{builderid_or_buildername}", "builders", false),
    (
        "/builders/{builderid_or_buildername}/builds",
        "builds",
        true,
    ),
    (
        "/builders/{builderid_or_buildername}/builds/{build_number}",
        "builds",
        false,
    ),
    (
        "/builders/{builderid_or_buildername}/builds/{build_number}/steps",
        "steps",
        true,
    ),
    (
        "/builders/{builderid_or_buildername}/builds/{build_number}/steps/{step_number_or_name}",
        "steps",
        false,
    ),
    ("/openapi.json", "", false),
];

/// The elements of paths that stand for something.
const ELEMENTS: [(&str, Type, &str); 5] = [
    ("stepid", Type::Integer, "The id of a step"),
    ("buildid", Type::Integer, "The id of a build"),
    (
        "build_number",
        Type::Integer,
        "The number of a build within its builder",
    ),
    (
        "builderid_or_buildername",
        Type::String,
        "The id of a builder, or its name; what can be read as a number is an id",
    ),
    (
        "step_number_or_name",
        Type::String,
        "The number of a step within its build, or its name; ASCII digits are a number",
    ),
];

const PROBLEMS: [(&str, &str, &str); 8] = [
    (
        "400",
        "BadRequest",
        "A parameter breaks a rule, something is not UTF-8, or the Origin may not ask",
    ),
    (
        "401",
        "Unauthenticated",
        "The token is not good, or there is none and callers without one may do nothing here",
    ),
    ("403", "Forbidden", "The token may not read"),
    ("404", "NotFound", "There is no such path, or no such row"),
    ("405", "MethodNotAllowed", "Only GET, HEAD and OPTIONS"),
    (
        "429",
        "TooMany",
        "The caller has spent its points; the header Retry-After says for how many seconds",
    ),
    (
        "500",
        "Internal",
        "A fault of the server's; the reason is in its log",
    ),
    (
        "503",
        "Unavailable",
        "The database does not answer, or not in time; try again",
    ),
];

/// The document.
pub(crate) fn document() -> Value {
    let mut components = ComponentsBuilder::new().schema("Meta", meta()).schema(
        "Problem",
        object().property("error", text()).required("error"),
    );
    let mut nested = Vec::new();
    for (name, schema) in [
        (BuilderView::name(), BuilderView::schema()),
        (BuildView::name(), BuildView::schema()),
        (StepView::name(), StepView::schema()),
        (UrlView::name(), UrlView::schema()),
    ] {
        nested.push((name.into_owned(), schema));
    }
    for (name, mut schema) in nested {
        // `field` may leave out any of them.
        if let (RefOr::T(Schema::Object(object)), true) = (&mut schema, name != "Url") {
            object.required.clear();
        }
        components = components.schema(name, schema);
    }
    for (_, name, description) in PROBLEMS {
        components = components.response(name, problem(description));
    }
    for (name, kind, description) in ELEMENTS {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(description))
            .schema(Some(ObjectBuilder::new().schema_type(kind)));
        components = components.parameter(name, parameter.build());
    }
    components = noun(components, &builder::NOUN, "Builder");
    components = noun(components, &build::NOUN, "Build");
    components = noun(components, &step::NOUN, "Step");
    for (name, description) in [
        (
            "limit",
            "At most so many; --rest-max-rows is the most there is",
        ),
        ("offset", "So many are left out first"),
    ] {
        let number = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0));
        let parameter = query(name, description, number.build());
        components = components.parameter(name, parameter);
    }

    let mut paths = PathsBuilder::new();
    for (path, plural, collection) in PATHS {
        let mut item = PathItem::new(HttpMethod::Get, operation(path, plural, collection));
        item.merge_operations(PathItem::new(
            HttpMethod::Head,
            operation(path, plural, collection),
        ));
        paths = paths.path(path, item);
    }
    let info = InfoBuilder::new()
        .title("Buildbot's builders, builds and steps")
        .description(Some(
            "The data API of Buildbot, read-only. /api/latest is the same as /api/v2. Dates are seconds since 1970.",
        ))
        .version(env!("CARGO_PKG_VERSION"));
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A token of this server, or a JWT of its identity provider",
        ));
    let components = components.security_scheme("bearerAuth", SecurityScheme::Http(token.build()));
    // One or the other: many servers let anybody read.
    let security = [
        SecurityRequirement::default(),
        SecurityRequirement::new("bearerAuth", Vec::<String>::new()),
    ];
    let document = OpenApiBuilder::new()
        .security(Some(security))
        .info(info)
        .servers(Some([ServerBuilder::new().url("/api/v2").build()]))
        .paths(paths)
        .components(Some(components.build()))
        .build();
    json!(document)
}

/// The parameters that all lists of a kind take, and their answer.
fn noun<F>(
    mut components: ComponentsBuilder,
    noun: &Resource<F>,
    row: &'static str,
) -> ComponentsBuilder {
    let plural = noun.plural;
    let names = |prefixes: &'static [&'static str]| {
        let names = noun.columns.iter().map(|column| column.name);
        let all = names.flat_map(|n| prefixes.iter().map(move |p| format!("{p}{n}")));
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(all))
    };
    for (name, description, schema) in [
        ("field", "Only this field; repeat it for more", names(&[""])),
        (
            "order",
            "Order by this field, descending with -; the first is the most significant",
            names(&["", "-"]),
        ),
        (
            "property",
            "Give builds the property of this name, or with * all",
            text(),
        ),
    ] {
        let many = ArrayBuilder::new().items(schema).build();
        components = components.parameter(
            format!("{plural}.{name}"),
            query(name, description, Schema::Array(many)),
        );
    }
    for column in noun.columns {
        for (name, operator) in filters(column) {
            let many = ArrayBuilder::new().items(value(column.kind)).build();
            let description = meaning(operator);
            components = components.parameter(
                format!("{plural}.{name}"),
                query(&name, description, Schema::Array(many)),
            );
        }
    }
    let rows = ArrayBuilder::new().items(Ref::from_schema_name(row));
    let answer = object()
        .property(plural, rows)
        .property("meta", Ref::from_schema_name("Meta"))
        .required(plural)
        .required("meta");
    components.schema(format!("{row}s"), answer)
}

fn operation(path: &str, plural: &str, collection: bool) -> OperationBuilder {
    let mut operation = OperationBuilder::new();
    let mut refer = |name: &str| {
        let parameter = Ref::new(format!("#/components/parameters/{name}"));
        operation = std::mem::take(&mut operation).parameter_ref(parameter);
    };
    for (name, ..) in ELEMENTS {
        if path.contains(&format!("{{{name}}}")) {
            refer(name);
        }
    }
    let all = match plural {
        "builders" => parameters(&builder::NOUN, collection),
        "builds" => parameters(&build::NOUN, collection),
        "steps" => parameters(&step::NOUN, collection),
        _ => Vec::new(),
    };
    for name in &all {
        refer(name);
    }
    let schema: RefOr<Schema> = match plural {
        "builders" => Ref::from_schema_name("Builders").into(),
        "builds" => Ref::from_schema_name("Builds").into(),
        "steps" => Ref::from_schema_name("Steps").into(),
        _ => object().into(),
    };
    let found = ResponseBuilder::new()
        .description("What was asked for")
        .content(MEDIA, Content::new(Some(schema)));
    operation = operation.response("200", found);
    for (status, name, _) in PROBLEMS {
        operation = operation.response(status, Ref::from_response_name(name));
    }
    operation
}

fn object() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Object)
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn meta() -> ObjectBuilder {
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

fn problem(description: &str) -> ResponseBuilder {
    let schema = Ref::from_schema_name("Problem");
    ResponseBuilder::new()
        .description(description)
        .content(MEDIA, Content::new(Some(RefOr::<Schema>::from(schema))))
}
