//! Apollo Federation: how a gateway asks for objects that other services refer to, and the schema
//! as it composes it.

use apollo_compiler::{Schema, schema::ExtendedType};
use async_graphql::{Context, InputValueResult, Scalar, ScalarType, SimpleObject, Union, Value};
use futures_util::future::join_all;

use crate::{
    domain::error::{Error, Result},
    graphql::schema::{
        build::Build,
        builder::Builder,
        log::Log,
        node::{self, Node},
        representation::read_representation,
        step::Step,
    },
};

/// The most representations that `_entities` takes.
const MAX_REPRESENTATIONS: usize = 1_000;

/// Makes the schema one of Apollo Federation 2.
const LINK: &str = r#"
extend schema @link(url: "https://specs.apollo.dev/federation/v2.0", import: ["@key", "@shareable"])
"#;

/// The directives of types: the keys of objects, and `@shareable` where other services may have the
/// same type.
const DIRECTIVES: &str = r#"
type Builder @key(fields: "id") @key(fields: "builderid")
type Build @key(fields: "id") @key(fields: "buildid")
type Step @key(fields: "id") @key(fields: "stepid")
type Log @key(fields: "id") @key(fields: "logid")
type PageInfo @shareable
type Url @shareable
"#;

/// What a gateway asks for itself.
const OF_GATEWAYS: [&str; 3] = ["_Any", "_Entity", "_Service"];

/// An object that other services of a federation refer to.
#[derive(Union)]
#[graphql(name = "_Entity")]
pub(crate) enum Entity {
    Builder(Builder),
    Build(Build),
    Step(Step),
    Log(Log),
}

impl From<Node> for Entity {
    fn from(node: Node) -> Self {
        match node {
            Node::Builder(builder) => Self::Builder(builder),
            Node::Build(build) => Self::Build(build),
            Node::Step(step) => Self::Step(step),
            Node::Log(log) => Self::Log(log),
        }
    }
}

/// An object's `__typename` and one of its keys, as other services of a federation know it.
pub(crate) struct Any(Value);

/// An object's `__typename` and one of its keys, as other services of a federation know it.
#[Scalar(name = "_Any")]
impl ScalarType for Any {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(Self(value))
    }

    fn to_value(&self) -> Value {
        self.0.clone()
    }
}

/// What a gateway composes.
#[derive(SimpleObject)]
#[graphql(name = "_Service")]
pub(crate) struct Service {
    /// The schema of this service, with the keys of its objects.
    pub(crate) sdl: String,
}

/// Finds the objects of representations, in their order: one statement for each type. Fails if
/// there are too many, or if one is null.
pub(crate) async fn find_all(
    ctx: &Context<'_>,
    representations: &[Any],
) -> Result<Vec<Option<Result<Entity>>>> {
    let count = representations.len();
    if count > MAX_REPRESENTATIONS {
        let rule = format!("at most {MAX_REPRESENTATIONS} representations, got {count}");
        return Err(Error::invalid("representations", rule));
    }
    // The library lets a variable without a value through, though none may be null.
    if let Some(at) = representations.iter().position(|any| any.0 == Value::Null) {
        read_representation(at, &Value::Null)?;
    }
    let found = representations.iter().enumerate().map(async |(at, any)| {
        let id = read_representation(at, &any.0)?;
        Ok(node::load(ctx, id).await?.map(Entity::from))
    });
    Ok(join_all(found)
        .await
        .into_iter()
        .map(Result::transpose)
        .collect())
}

/// The text of a schema, as a service of a federation gives it.
pub(crate) fn subgraph_sdl(sdl: &str) -> String {
    let mut schema = parse(sdl);
    schema
        .types
        .retain(|name, _| !OF_GATEWAYS.contains(&name.as_str()));
    // A gateway has directives of its own for what it defers.
    schema.directive_definitions.clear();
    if let Some(ExtendedType::Object(query)) = schema.types.get_mut("Query") {
        let is_ours = |name: &str| !matches!(name, "_entities" | "_service");
        query.make_mut().fields.retain(|name, _| is_ours(name));
    }
    for (name, ty) in parse(DIRECTIVES).types {
        if let Some(ExtendedType::Object(object)) = schema.types.get_mut(&name)
            && let ExtendedType::Object(with_directives) = ty
        {
            let directives = with_directives.directives.0.iter().cloned();
            object.make_mut().directives.0.extend(directives);
        }
    }
    format!("{schema}{LINK}")
}

/// Reads a schema without validating it.
fn parse(sdl: &str) -> Schema {
    Schema::parse(sdl, "schema.graphql").unwrap_or_else(|invalid| invalid.partial)
}
