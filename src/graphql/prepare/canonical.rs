//! Lowers a valid operation and its variables to the canonical operation, the only form that
//! async-graphql sees: no variable, no directive, no named fragment, and each field once.
//!
//! - Variables and defaults are put in as values; what was not provided is left out.
//! - `@skip` and `@include` are decided.
//! - Fragments are opened, and fields with the same response key merged, in the order of the
//!   specification's `CollectFields`.
//! - Below an interface there is one fragment for each object type.
//! - Where nothing is left of an object, or its type has to be known, stands a `MARKER`.

use std::collections::HashSet;

use apollo_compiler::{
    Name, Node,
    ast::{DirectiveList, InputValueDefinition, OperationType, Value as Literal},
    collections::IndexMap,
    executable::{Field, Operation, Selection, SelectionSet},
};
use async_graphql::{
    Name as OutputName, Pos, Positioned, ServerError, Value,
    parser::types::{self as library, OperationDefinition},
};

use crate::graphql::{
    execute::errors,
    prepare::{
        coercion::{Coercion, InputPosition, Path},
        document::Document,
        synthetic::{fragment_on, is_marker, marker, nowhere},
        type_system::TypeSystem,
        variables::Variables,
    },
    schema::scalar::Breach,
};

/// The selections of a canonical set.
type Items = Vec<Positioned<library::Selection>>;

/// Lowers an operation of a document. Variables without a value count as not provided.
pub(crate) fn lower(
    document: &Document,
    operation: &Operation,
    variables: &Variables,
    types: &TypeSystem,
) -> Result<OperationDefinition, ServerError> {
    let lowering = Lowering {
        document,
        variables,
        types,
    };
    let root = &operation.selection_set;
    Ok(OperationDefinition {
        ty: match operation.operation_type {
            OperationType::Query => library::OperationType::Query,
            OperationType::Mutation => library::OperationType::Mutation,
            OperationType::Subscription => library::OperationType::Subscription,
        },
        variable_definitions: Vec::new(),
        directives: Vec::new(),
        selection_set: lowering.lower_sets(&root.ty, &[root])?,
    })
}

/// The fields at the root of a canonical operation.
pub(crate) fn root_fields(
    operation: &OperationDefinition,
) -> impl Iterator<Item = &Positioned<library::Field>> {
    let items = operation.selection_set.node.items.iter();
    items.filter_map(|item| match &item.node {
        library::Selection::Field(field) => Some(field),
        _ => None,
    })
}

struct Lowering<'d> {
    document: &'d Document,
    variables: &'d Variables,
    types: &'d TypeSystem,
}

/// The fields of one object by their response keys, in order.
type Collected<'d> = IndexMap<&'d Name, SameKey<'d>>;

/// The fields with one response key. Nearly always there is but one, which needs no list.
struct SameKey<'d> {
    first: &'d Node<Field>,
    others: Vec<&'d Node<Field>>,
}

impl<'d> Lowering<'d> {
    /// Lowers the sets of one field, whose type is `on`.
    fn lower_sets(
        &self,
        on: &str,
        sets: &[&'d SelectionSet],
    ) -> Result<Positioned<library::SelectionSet>, ServerError> {
        let items = match self.types.objects_of(on) {
            None => self.lower_object(on, sets)?,
            Some(objects) => {
                let fragments = objects.map(|object| {
                    let mut items = self.lower_object(object, sets)?;
                    if !is_marker(&items[0]) {
                        items.push(marker());
                    }
                    Ok(fragment_on(object, items))
                });
                fragments.collect::<Result<_, ServerError>>()?
            }
        };
        Ok(nowhere(library::SelectionSet { items }))
    }

    fn lower_object(&self, object: &str, sets: &[&'d SelectionSet]) -> Result<Items, ServerError> {
        let mut fields = Collected::default();
        let mut spread = HashSet::new();
        for set in sets {
            self.collect(object, set, &mut fields, &mut spread)?;
        }
        if fields.is_empty() {
            return Ok(vec![marker()]);
        }
        let mut items = Items::with_capacity(fields.len());
        for same in fields.into_values() {
            items.push(self.lower_field(&same)?);
        }
        Ok(items)
    }

    /// The specification's `CollectFields`.
    fn collect(
        &self,
        object: &str,
        set: &'d SelectionSet,
        fields: &mut Collected<'d>,
        spread: &mut HashSet<&'d Name>,
    ) -> Result<(), ServerError> {
        for item in &set.selections {
            if !self.is_included(item.directives())? {
                continue;
            }
            match item {
                Selection::Field(field) => {
                    let others = Vec::new();
                    fields
                        .entry(field.response_key())
                        .and_modify(|same| same.others.push(field))
                        .or_insert(SameKey {
                            first: field,
                            others,
                        });
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.type_condition.as_deref();
                    if condition.is_none_or(|condition| self.types.applies(condition, object)) {
                        self.collect(object, &fragment.selection_set, fields, spread)?;
                    }
                }
                Selection::FragmentSpread(it) => {
                    let fragments = &self.document.executable.fragments;
                    if let Some(fragment) = fragments.get(&it.fragment_name)
                        && spread.insert(&fragment.name)
                        && self.types.applies(fragment.type_condition(), object)
                    {
                        self.collect(object, &fragment.selection_set, fields, spread)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Decides `@skip` and `@include`.
    fn is_included(&self, directives: &DirectiveList) -> Result<bool, ServerError> {
        for directive in &directives.0 {
            let skips = match directive.name.as_str() {
                "skip" => true,
                "include" => false,
                _ => continue,
            };
            let Some(condition) = directive.specified_argument_by_name("if") else {
                continue;
            };
            let value = match &**condition {
                Literal::Boolean(value) => Some(*value),
                Literal::Variable(name) => match self.variables.values.get(name) {
                    Some(Value::Boolean(value)) => Some(*value),
                    Some(_) => {
                        let at = self.document.positions.start(condition.location());
                        let path = format!("${name}");
                        return Err(errors::invalid_value(
                            Breach::Type,
                            &path,
                            NULL_CONDITION,
                            at,
                        ));
                    }
                    None => None,
                },
                _ => None,
            };
            if value == Some(skips) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lowers the fields with one response key to one.
    fn lower_field(
        &self,
        same: &SameKey<'d>,
    ) -> Result<Positioned<library::Selection>, ServerError> {
        let field = same.first;
        let pos = self.document.positions.start(field.location());
        let positioned = |name: &Name| Positioned::new(OutputName::new(name), pos);
        let set = if field.selection_set.selections.is_empty() {
            nowhere(library::SelectionSet::default())
        } else {
            let fields = std::iter::once(field).chain(same.others.iter().copied());
            let sets: Vec<_> = fields.map(|field| &field.selection_set).collect();
            self.lower_sets(field.definition.ty.inner_named_type(), &sets)?
        };
        let arguments = self.lower_arguments(field)?;
        for other in &same.others {
            self.check_same(&arguments, other)?;
        }
        let arguments = arguments.into_iter();
        let arguments = arguments.map(|(name, value, at)| {
            let value = Positioned::new(value.into_value(), at);
            (Positioned::new(name, at), value)
        });
        let lowered = library::Field {
            alias: field.alias.as_ref().map(positioned),
            name: positioned(&field.name),
            arguments: arguments.collect(),
            directives: Vec::new(),
            selection_set: set,
        };
        Ok(Positioned::new(
            library::Selection::Field(Positioned::new(lowered, pos)),
            pos,
        ))
    }

    /// Refuses two fields that differ in an argument: the compiler takes a list for the same as a
    /// longer one that begins with it.
    fn check_same(&self, arguments: &[Argument], other: &Node<Field>) -> Result<(), ServerError> {
        let others = self.lower_arguments(other)?;
        let values = arguments.iter().map(|(_, value, _)| value);
        if values.eq(others.iter().map(|(_, value, _)| value)) {
            return Ok(());
        }
        let key = other.response_key();
        let message = format!("Fields \"{key}\" conflict because they have differing arguments.");
        let at = self.document.positions.start(other.location());
        Err(errors::invalid_document(&message, at))
    }

    /// The arguments in the order of the schema, defaults included.
    fn lower_arguments(&self, field: &Field) -> Result<Vec<Argument>, ServerError> {
        let definitions = field.definition.arguments.iter();
        let arguments = definitions.filter_map(|definition| {
            let given = field.specified_argument_by_name(&definition.name);
            self.lower_argument(definition, given).transpose()
        });
        arguments.collect()
    }

    fn lower_argument(
        &self,
        definition: &InputValueDefinition,
        given: Option<&Node<Literal>>,
    ) -> Result<Option<Argument>, ServerError> {
        let coercion = Coercion {
            types: self.types,
            suggests: false,
            // A null in a non-null position, where it overrides the variable's default, is an error
            // of its field.
            variable: |name: &Name, _: InputPosition<'_>| self.variables.put_in(name),
        };
        let path = Path::Argument(&definition.name);
        let coerced = given.map_or(Ok(None), |given| {
            coercion.coerce(path, given, InputPosition::of(definition))
        });
        let coerced = match coerced {
            Ok(None) => coercion.default_of(path, definition),
            coerced => coerced,
        };
        let at = self
            .document
            .positions
            .start(given.and_then(Node::location));
        if let Ok(Some(value)) = &coerced {
            self.variables.count(value);
        }
        self.variables.check(at)?;
        let coerced = coerced.map_err(|invalid| invalid.at(at))?;
        Ok(coerced.map(|value| (OutputName::new(&definition.name), value, at)))
    }
}

/// Why a condition is refused whose variable is a null that overrides its default.
const NULL_CONDITION: &str = "a Boolean for @skip and @include, got null";

type Argument = (OutputName, Value, Pos);

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::graphql::prepare::{canonical_text::canonical_text, testing::prepare};

    /// The canonical form as text; a marker is an empty key.
    fn lowered(text: &str, variables: &Json) -> String {
        let lowered = prepare(text, variables, &[]);
        canonical_text(&lowered.unwrap_or_else(|errors| panic!("{text}: {errors:?}")))
    }

    fn check(cases: &[(&str, Json, &str)]) {
        for (text, variables, expected) in cases {
            assert_eq!(lowered(text, variables), *expected, "{text} {variables}");
        }
    }

    #[test]
    fn fragments_are_opened_and_the_same_fields_merged_in_order() {
        check(&[
            (
                "{ build(buildid: 1) { number } x: __typename build(buildid: 1) { buildid number } }",
                json!({}),
                "{build(buildid:1,){number()buildid()}x:__typename()}",
            ),
            (
                "{ ...F build(buildid: 1) { ...G id } } fragment F on Query { build(buildid: 1) { ...G ... on Node { id } } } \
                 fragment G on Build { builder { name } ... { builder { tags } } }",
                json!({}),
                "{build(buildid:1,){builder(){name()tags()}id()}}",
            ),
        ]);
    }

    #[test]
    fn conditions_are_decided() {
        let text = "query($v: Boolean! = true) { a: __typename @skip(if: $v) b: __typename @include(if: $v) \
                    ...F @skip(if: $v) ... @include(if: false) { d: __typename } } fragment F on Query { c: __typename }";
        check(&[
            (text, json!({}), "{b:__typename()}"),
            (
                text,
                json!({ "v": false }),
                "{a:__typename()c:__typename()}",
            ),
            (
                "{ build(buildid: 1) { number @include(if: true) @skip(if: true) } }",
                json!({}),
                "{build(buildid:1,){:__typename()}}",
            ),
            (
                "{ __typename @skip(if: true) }",
                json!({}),
                "{:__typename()}",
            ),
        ]);
    }

    #[test]
    fn variables_are_put_in_or_left_out() {
        let text = "query($eq: String, $in: [Int!], $d: OrderDirection = DESC, $n: Int = 3) { \
                    steps(where: { name: { eq: $eq } stepid: { in: $in } }, orderBy: { field: NAME, direction: $d }, first: $n) \
                    { totalCount } }";
        let expected = |first: &str, direction: &str, name: &str, stepid: &str| {
            format!(
                "{{steps(first:{first},orderBy:[{{direction: {direction}, field: NAME}}],where:{{name: {{{name}}}, stepid: {{{stepid}}}}},){{totalCount()}}}}"
            )
        };
        check(&[
            (text, json!({}), &expected("3", "DESC", "", "")),
            (
                text,
                json!({ "eq": null, "in": 1.0, "d": "ASC", "n": null, "other": 1 }),
                &expected("null", "ASC", "eq: null", "in: [1]"),
            ),
            (
                "query($a: Int) { builds(where: { buildid: { in: [1, 2] }, number: { eq: $a } }) { totalCount } }",
                json!({ "a": 1e3 }),
                "{builds(where:{buildid: {in: [1, 2]}, number: {eq: 1000}},){totalCount()}}",
            ),
        ]);
    }

    #[test]
    fn an_interface_has_a_fragment_for_each_object_type() {
        check(&[(
            "{ node(id: 1) { id ... on Build { n: number } ... on Step { n: number id } } }",
            json!({}),
            "{node(id:\"1\",){...Build{id()n:number():__typename()}\
             ...Builder{id():__typename()}...Log{id():__typename()}...Step{id()n:number():__typename()}}}",
        )]);
    }
}
