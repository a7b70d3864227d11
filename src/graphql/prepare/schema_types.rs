//! The schema as data, read from its own text: the types of fields, of arguments and of the fields of inputs.

use std::{collections::HashMap, sync::Arc};

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, OperationType, Type, TypeKind, TypeSystemDefinition},
};

/// What every schema has beside its own types; the fields of `__Root` belong to the root of queries.
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

/// What there is to know of a type.
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
    /// Reads them.
    pub(crate) fn read(sdl: &str) -> Self {
        let all = [sdl, INTROSPECTION].concat();
        let definitions = parse_schema(all).map_or_else(|_| Vec::new(), |d| d.definitions);
        let types = definitions.into_iter().filter_map(|definition| {
            let TypeSystemDefinition::Type(definition) = definition else {
                return None;
            };
            let members = match definition.node.kind {
                TypeKind::Object(object) => output(object.fields.into_iter().map(|f| f.node)),
                TypeKind::Interface(interface) => {
                    output(interface.fields.into_iter().map(|f| f.node))
                }
                TypeKind::InputObject(input) => {
                    let fields = input.fields.into_iter().map(|f| f.node);
                    TypeShape::Fields(
                        fields
                            .map(|f| (f.name.node.to_string(), member(f.ty.node)))
                            .collect(),
                    )
                }
                TypeKind::Enum(_) => TypeShape::Enum,
                _ => return None,
            };
            Some((definition.node.name.node.to_string(), members))
        });
        Self(Arc::new(types.collect()))
    }

    /// A field of a type.
    pub(crate) fn member(&self, of: &str, name: &str) -> Option<&FieldType> {
        let of = match (of, name) {
            ("Query", "__schema" | "__type") => "__Root",
            _ => of,
        };
        match self.0.get(of)? {
            TypeShape::Fields(fields) => fields.get(name),
            TypeShape::Enum => None,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The type is an enum.
    pub(crate) fn is_enum(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(TypeShape::Enum))
    }
}

fn member(ty: Type) -> FieldType {
    FieldType {
        ty,
        arguments: HashMap::new(),
    }
}

fn output(fields: impl Iterator<Item = FieldDefinition>) -> TypeShape {
    let members = fields.map(|field| {
        let arguments = field.arguments.into_iter();
        let arguments = arguments.map(|a| (a.node.name.node.to_string(), a.node.ty.node));
        let member = FieldType {
            ty: field.ty.node,
            arguments: arguments.collect(),
        };
        (field.name.node.to_string(), member)
    });
    TypeShape::Fields(members.collect())
}

/// The name of a type, without its lists.
pub(crate) fn named(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}

/// The type is a list, of whatever.
pub(crate) fn is_list(ty: &Type) -> bool {
    matches!(ty.base, BaseType::List(_))
}

/// The name of the root type of an operation.
pub(crate) fn root(operation: OperationType) -> &'static str {
    match operation {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    }
}
