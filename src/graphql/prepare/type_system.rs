//! The types of the schema as `apollo-compiler` knows them, read from the schema's own SDL.

use std::{ops::Deref, sync::Arc};

use apollo_compiler::{
    Name, Schema,
    ast::{FieldDefinition, OperationType},
    collections::{HashMap, IndexSet},
    schema::{ExtendedType, Implementers},
    validation::Valid,
};
use async_graphql::parser::types as library;

use crate::domain::command_error::CommandError;

/// What graphql-js asks of introspection and the compiler does not know. It answers null: no input
/// of ours is one of several.
const ONE_OF: &str = "extend type __Type { isOneOf: Boolean }";

/// The types of the schema. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct TypeSystem(Arc<Types>);

#[derive(Debug)]
struct Types {
    schema: Valid<Schema>,
    implementers: HashMap<Name, Implementers>,
    /// The object types that each interface or union may stand for.
    objects: HashMap<Name, IndexSet<Name>>,
}

impl Deref for TypeSystem {
    type Target = Valid<Schema>;

    fn deref(&self) -> &Valid<Schema> {
        &self.0.schema
    }
}

impl TypeSystem {
    /// Reads an SDL. Fails where it is invalid or lacks the root of an operation.
    pub(crate) fn read(sdl: &str) -> Result<Self, CommandError> {
        let schema = Schema::parse_and_validate([sdl, ONE_OF].concat(), "schema.graphql")
            .map_err(|invalid| CommandError::Schema(invalid.errors.to_string()))?;
        for operation in [
            OperationType::Query,
            OperationType::Mutation,
            OperationType::Subscription,
        ] {
            if schema.root_operation(operation).is_none() {
                let reason = format!("it has no root for a {operation}");
                return Err(CommandError::Schema(reason));
            }
        }
        let implementers = schema.implementers_map();
        let abstract_types = schema.types.iter().filter_map(|(name, ty)| {
            let objects: IndexSet<Name> = match ty {
                ExtendedType::Interface(_) => implementers
                    .get(name)
                    .map_or_else(IndexSet::default, |found| {
                        found.objects.iter().cloned().collect()
                    }),
                ExtendedType::Union(union) => union
                    .members
                    .iter()
                    .map(|member| member.name.clone())
                    .collect(),
                _ => return None,
            };
            Some((name.clone(), objects))
        });
        let objects = abstract_types.collect();
        let types = Types {
            schema,
            implementers,
            objects,
        };
        Ok(Self(Arc::new(types)))
    }

    /// The name of the root type of an operation.
    pub(crate) fn root(&self, operation: library::OperationType) -> &str {
        let operation = match operation {
            library::OperationType::Query => OperationType::Query,
            library::OperationType::Mutation => OperationType::Mutation,
            library::OperationType::Subscription => OperationType::Subscription,
        };
        // `read` has made sure of all three.
        self.0
            .schema
            .root_operation(operation)
            .map_or("", Name::as_str)
    }

    /// A field of a type; meta-fields included.
    pub(crate) fn field(&self, on: &str, name: &str) -> Option<&FieldDefinition> {
        Some(self.0.schema.type_field(on, name).ok()?)
    }

    /// The types that implement each interface.
    pub(crate) fn implementers(&self) -> &HashMap<Name, Implementers> {
        &self.0.implementers
    }

    /// The object types that a type may stand for; `None` for an object type.
    pub(crate) fn objects_of(&self, name: &str) -> Option<impl Iterator<Item = &Name>> {
        self.0.objects.get(name).map(IndexSet::iter)
    }

    /// Whether a fragment on `condition` applies to objects of the type `object`.
    pub(crate) fn applies(&self, condition: &str, object: &str) -> bool {
        condition == object
            || (self.0.objects.get(condition)).is_some_and(|objects| objects.contains(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOTS: &str = "type Query implements N { a: Int } type Mutation { b: Int } \
        type Subscription { c(d: String): [Int!]! } interface N { a: Int } \
        interface Empty { a: Int } union U = Mutation | Query ";

    #[test]
    fn types_are_read_with_those_of_introspection() {
        let types = TypeSystem::read(ROOTS).expect("readable");
        let field = types.field("Subscription", "c").expect("a field");
        assert_eq!(field.ty.to_string(), "[Int!]!");
        assert!(types.field("Query", "__schema").is_some());
        assert!(types.field("__Type", "isOneOf").is_some());
        let objects = types.objects_of("N").expect("an interface");
        assert_eq!(objects.map(Name::as_str).collect::<Vec<_>>(), ["Query"]);
        assert!(types.objects_of("Query").is_none());
        assert!(types.applies("N", "Query") && !types.applies("N", "Mutation"));
        let objects = types.objects_of("U").expect("a union");
        let objects: Vec<_> = objects.map(Name::as_str).collect();
        assert_eq!(objects, ["Mutation", "Query"]);
        assert!(types.applies("U", "Query") && !types.applies("U", "Subscription"));
        let none = types.objects_of("Empty").expect("an interface");
        assert_eq!(none.count(), 0);
    }

    #[test]
    fn a_schema_that_cannot_be_read_is_an_error() {
        let without = |root: &str| ROOTS.replace(root, "Other");
        for (sdl, reason) in [
            ("type Query {".to_owned(), "expected"),
            ("not a schema".to_owned(), "expected"),
            (without("Query"), "missing query root"),
            (without("Mutation"), "it has no root for a mutation"),
            (without("Subscription"), "it has no root for a subscription"),
        ] {
            let error = TypeSystem::read(&sdl).map(drop).expect_err(&sdl);
            let text = error.to_string();
            assert!(
                text.starts_with("the GraphQL schema cannot be read: "),
                "{text}"
            );
            assert!(text.contains(reason), "{text}");
        }
    }
}
