//! The schema as data, read from its own SDL: the types of fields, of their arguments and of the
//! fields of inputs.

use std::{collections::HashMap, sync::Arc};

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, OperationType, Type, TypeKind, TypeSystemDefinition},
};

use crate::domain::command_error::CommandError;

/// The operations for which the schema has a root.
const OPERATIONS: [OperationType; 3] = [
    OperationType::Query,
    OperationType::Mutation,
    OperationType::Subscription,
];

/// What every schema has besides its own types; the fields of `__Root` belong to the root of
/// queries.
const INTROSPECTION: &str = "
type __Root { __schema: __Schema! __type(name: String!): __Type }
type __Schema { description: String types: [__Type!]! queryType: __Type! mutationType: __Type subscriptionType: __Type directives: [__Directive!]! }
type __Type {
  kind: String! name: String description: String specifiedByURL: String isOneOf: Boolean ofType: __Type
  fields(includeDeprecated: Boolean): [__Field!] interfaces: [__Type!] possibleTypes: [__Type!]
  enumValues(includeDeprecated: Boolean): [__EnumValue!] inputFields(includeDeprecated: Boolean): [__InputValue!]
}
type __Field { name: String! description: String args(includeDeprecated: Boolean): [__InputValue!]! type: __Type! isDeprecated: Boolean! deprecationReason: String }
type __InputValue { name: String! description: String type: __Type! defaultValue: String isDeprecated: Boolean! deprecationReason: String }
type __EnumValue { name: String! description: String isDeprecated: Boolean! deprecationReason: String }
type __Directive { name: String! description: String locations: [String!]! args(includeDeprecated: Boolean): [__InputValue!]! isRepeatable: Boolean! }";

/// Every type of the schema. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct SchemaTypes(Arc<HashMap<String, TypeShape>>);

/// What is known of a type.
#[derive(Debug)]
enum TypeShape {
    /// An object, an interface or an input, with its fields.
    Fields(HashMap<String, FieldType>),
    /// An enum.
    Enum,
}

/// A field of an object, an interface or an input.
#[derive(Debug)]
pub(crate) struct FieldType {
    /// Its type.
    pub(crate) ty: Type,
    /// The types of its arguments.
    pub(crate) arguments: HashMap<String, Type>,
}

impl SchemaTypes {
    /// Reads an SDL. Fails where it cannot be parsed or lacks the root of an operation: without
    /// them, every document would pass the checks and cost nothing.
    pub(crate) fn read(sdl: &str) -> Result<Self, CommandError> {
        let document = parse_schema([sdl, INTROSPECTION].concat())
            .map_err(|error| CommandError::Schema(error.to_string()))?;
        let types: HashMap<String, TypeShape> = document
            .definitions
            .into_iter()
            .filter_map(|definition| match definition {
                TypeSystemDefinition::Type(definition) => {
                    let shape = read_shape(definition.node.kind)?;
                    Some((definition.node.name.node.to_string(), shape))
                }
                _ => None,
            })
            .collect();
        for operation in OPERATIONS {
            let root = root_type_name(operation);
            if !matches!(types.get(root), Some(TypeShape::Fields(_))) {
                return Err(CommandError::Schema(format!("it has no type {root}")));
            }
        }
        Ok(Self(Arc::new(types)))
    }

    /// A field of a type.
    pub(crate) fn field(&self, of: &str, name: &str) -> Option<&FieldType> {
        let of = match (of, name) {
            ("Query", "__schema" | "__type") => "__Root",
            _ => of,
        };
        match self.0.get(of)? {
            TypeShape::Fields(fields) => fields.get(name),
            TypeShape::Enum => None,
        }
    }

    /// How many types there are, those of introspection included.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_enum(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(TypeShape::Enum))
    }
}

/// `None` if the type has neither fields nor values of its own to check.
fn read_shape(kind: TypeKind) -> Option<TypeShape> {
    match kind {
        TypeKind::Object(object) => {
            let fields = object.fields.into_iter();
            Some(read_fields(fields.map(|field| field.node)))
        }
        TypeKind::Interface(interface) => {
            let fields = interface.fields.into_iter();
            Some(read_fields(fields.map(|field| field.node)))
        }
        TypeKind::InputObject(input) => {
            let fields = input.fields.into_iter().map(|field| {
                let field_type = FieldType {
                    ty: field.node.ty.node,
                    arguments: HashMap::new(),
                };
                (field.node.name.node.to_string(), field_type)
            });
            Some(TypeShape::Fields(fields.collect()))
        }
        TypeKind::Enum(_) => Some(TypeShape::Enum),
        TypeKind::Scalar | TypeKind::Union(_) => None,
    }
}

fn read_fields(fields: impl Iterator<Item = FieldDefinition>) -> TypeShape {
    let fields = fields.map(|field| {
        let arguments = field.arguments.into_iter();
        let arguments = arguments.map(|a| (a.node.name.node.to_string(), a.node.ty.node));
        let field_type = FieldType {
            ty: field.ty.node,
            arguments: arguments.collect(),
        };
        (field.name.node.to_string(), field_type)
    });
    TypeShape::Fields(fields.collect())
}

/// The name of a type, without its lists.
pub(crate) fn base_type_name(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => base_type_name(inner),
    }
}

/// Whether the type is a list.
pub(crate) fn is_list(ty: &Type) -> bool {
    matches!(ty.base, BaseType::List(_))
}

/// The name of the root type of an operation.
pub(crate) fn root_type_name(operation: OperationType) -> &'static str {
    match operation {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOTS: &str = "type Query { a: Int } type Mutation { b: Int } \
        type Subscription { c(d: String): [Int!]! }";

    #[test]
    fn types_are_read_with_those_of_introspection() {
        let types = SchemaTypes::read(ROOTS).expect("readable");
        let field = types.field("Subscription", "c").expect("a field");
        assert_eq!(field.ty.to_string(), "[Int!]!");
        assert_eq!(field.arguments["d"].to_string(), "String");
        assert!(types.field("Query", "__schema").is_some());
    }

    #[test]
    fn a_schema_that_cannot_be_read_is_an_error() {
        let without = |root: &str| ROOTS.replace(root, "Other");
        for (sdl, reason) in [
            ("type Query {".to_owned(), "-->"),
            ("not a schema".to_owned(), "-->"),
            (without("Query"), "it has no type Query"),
            (without("Mutation"), "it has no type Mutation"),
            (without("Subscription"), "it has no type Subscription"),
            (
                ROOTS.replace("type Query { a: Int }", "enum Query { A }"),
                "it has no type Query",
            ),
        ] {
            let error = SchemaTypes::read(&sdl).map(drop).expect_err(&sdl);
            let text = error.to_string();
            assert!(
                text.starts_with("the GraphQL schema cannot be read: "),
                "{text}"
            );
            assert!(text.contains(reason), "{text}");
        }
    }
}
