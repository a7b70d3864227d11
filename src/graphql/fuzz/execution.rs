//! Fuzzes the execution of canonical operations: one yields what the document itself does, where
//! async-graphql executes that as the specification says.

mod generator;
mod schema;

use std::{
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

use apollo_compiler::{
    Node,
    ast::Type,
    executable::{Field, Selection, SelectionSet},
};
use async_graphql::{
    PathSegment, Pos, Positioned, Request, Response, Value, Variables,
    indexmap::IndexMap,
    parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition},
};
use serde_json::{Map, Value as Json};

use self::{
    generator::generate,
    schema::{FAILURE, TestSchema, build_test_schema},
};
use crate::{
    config::limit::LimitConfig,
    graphql::{
        execute::response::shape_response,
        prepare::{
            canonical::lower,
            document::Document,
            testing::WITHOUT_LIMITS,
            type_system::TypeSystem,
            variables::{self, coerce_variables},
        },
        schema::for_canonical_operations,
    },
};

/// The schema, which executes without validating. In strict mode the library refuses a valid
/// document: it takes what is used by conditions alone, or by skipped selections, as unused.
struct Execution {
    types: TypeSystem,
    schema: TestSchema,
}

fn library() -> &'static Execution {
    static LIBRARY: LazyLock<Execution> = LazyLock::new(|| {
        let schema = for_canonical_operations(build_test_schema()).finish();
        Execution {
            types: TypeSystem::read(&schema.sdl()).expect("a schema"),
            schema,
        }
    });
    &LIBRARY
}

/// Executes the document that the bytes choose, as it is and by its canonical operation.
///
/// # Panics
/// If the document is refused, the responses differ in more than the order of fields, or the
/// canonical operation's has its fields in another order than the document.
pub fn execution(data: &[u8]) {
    let (text, given) = generate(data, &library().types);
    check(&text, &given);
}

fn check(text: &str, given: &Map<String, Json>) {
    let types = &library().types;
    let limits = LimitConfig::of(&WITHOUT_LIMITS);
    let document = Document::read(text.to_owned(), types, &limits);
    let document = document.unwrap_or_else(|errors| panic!("{errors:?}: {text}"));
    let operation = document.operation(None).expect("one operation");
    let variables = coerce_variables(operation, given, types, true, &document.positions);
    let lowered = variables.and_then(|values| {
        let variables = variables::Variables::new(values, limits.max_document_bytes);
        lower(&document, operation, &variables, types)
    });
    let lowered = lowered.unwrap_or_else(|error| panic!("{error:?}: {text}"));
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let (ours, theirs) = runtime.expect("a runtime").block_on(async {
        (
            execute_canonical(lowered).await,
            execute_text(text, given).await,
        )
    });
    let selected = Selected {
        document: &document,
        set: &operation.selection_set,
    };
    let case = || format!("{text}\n{}", Json::Object(given.clone()));
    selected.check_order(&ours.data, &case);
    assert_eq!(errors_of(&ours), errors_of(&theirs), "{}", case());
    let failed: Vec<_> = theirs.errors.iter().map(|error| &*error.path).collect();
    let theirs = selected.complete_object(&theirs.data, &failed);
    // The order of an object's fields does not count here.
    assert_eq!(
        ours.data.into_json().expect("JSON"),
        theirs.unwrap_or_default().into_json().expect("JSON"),
        "{}",
        case()
    );
}

async fn execute_canonical(operation: OperationDefinition) -> Response {
    let mut request = Request::new("");
    let definition = Positioned::new(operation.clone(), Pos::default());
    request.set_parsed_query(ExecutableDocument {
        operations: DocumentOperations::Single(definition),
        fragments: HashMap::new(),
    });
    let mut response = library().schema.execute(request).await;
    shape_response(&operation, &library().types, &mut response);
    response
}

async fn execute_text(text: &str, given: &Map<String, Json>) -> Response {
    let variables = Variables::from_json(Json::Object(given.clone()));
    let request = Request::new(text).variables(variables);
    library().schema.execute(request).await
}

/// The paths of the fields that failed, as they are meant to.
fn errors_of(response: &Response) -> BTreeSet<String> {
    let errors = response.errors.iter().map(|error| {
        assert_eq!(error.message, FAILURE, "{error:?}");
        format!("{:?}", error.path)
    });
    errors.collect()
}

/// What a document selects of an object. Fragments are all taken to apply: their response keys
/// differ.
#[derive(Clone, Copy)]
struct Selected<'d> {
    document: &'d Document,
    set: &'d SelectionSet,
}

impl<'d> Selected<'d> {
    /// The fields in the order of the document.
    fn fields(self) -> Vec<&'d Node<Field>> {
        let fields = self.set.selections.iter().flat_map(|item| match item {
            Selection::Field(field) => vec![field],
            Selection::InlineFragment(fragment) => self.with(&fragment.selection_set).fields(),
            Selection::FragmentSpread(spread) => {
                let fragments = &self.document.executable.fragments;
                let fragment = &fragments[&spread.fragment_name];
                self.with(&fragment.selection_set).fields()
            }
        });
        fields.collect()
    }

    fn with(self, set: &'d SelectionSet) -> Self {
        Self { set, ..self }
    }

    fn check_order(self, value: &Value, case: &dyn Fn() -> String) {
        match value {
            Value::List(items) => items.iter().for_each(|item| self.check_order(item, case)),
            Value::Object(object) => {
                let mut fields = self.fields().into_iter();
                for (key, value) in object {
                    let field = fields.find(|field| field.response_key() == key.as_str());
                    let field = field.unwrap_or_else(|| panic!("order of {key}: {}", case()));
                    self.with(&field.selection_set).check_order(value, case);
                }
            }
            _ => {}
        }
    }

    /// Completes an object by the errors in it: the library leaves out a field that failed, and
    /// makes null of an object of which nothing is left. `None` is a null that the parent becomes,
    /// too.
    fn complete_object(self, value: &Value, failed: &[&[PathSegment]]) -> Option<Value> {
        let mut object = match value {
            Value::Object(object) => object.clone(),
            Value::Null if !failed.is_empty() => IndexMap::new(),
            other => return Some(other.clone()),
        };
        for field in self.fields() {
            let key = async_graphql::Name::new(field.response_key());
            let failed = below(failed, &PathSegment::Field(key.to_string()));
            let value = object.get(&key);
            if value.is_some() || !failed.is_empty() {
                let value = value.cloned().unwrap_or_default();
                let field_set = self.with(&field.selection_set);
                let value = field_set.complete(&field.definition.ty, &value, &failed)?;
                object.insert(key, value);
            }
        }
        Some(Value::Object(object))
    }

    fn complete(self, ty: &Type, value: &Value, failed: &[&[PathSegment]]) -> Option<Value> {
        let completed = if failed.iter().any(|path| path.is_empty()) {
            None
        } else if let Value::List(items) = value {
            let items = items.iter().enumerate().map(|(index, item)| {
                let failed = below(failed, &PathSegment::Index(index));
                self.complete(ty.item_type(), item, &failed)
            });
            items.collect::<Option<_>>().map(Value::List)
        } else if self.set.selections.is_empty() {
            Some(value.clone())
        } else {
            self.complete_object(value, failed)
        };
        completed.or((!ty.is_non_null()).then_some(Value::Null))
    }
}

/// The rest of those paths that begin with a segment.
fn below<'p>(paths: &[&'p [PathSegment]], segment: &PathSegment) -> Vec<&'p [PathSegment]> {
    let paths = paths.iter().filter_map(|path| path.split_first());
    let paths = paths.filter(|(first, _)| *first == segment);
    paths.map(|(_, rest)| rest).collect()
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::vec,
        prelude::*,
        strategy::ValueTree,
        test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
    };

    use super::*;

    const CASES: u32 = 300;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        vec(any::<u8>(), 0..300)
    }

    fn runner(config: Config) -> TestRunner {
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    }

    #[test]
    fn a_canonical_operation_yields_what_its_document_does() {
        let config = Config {
            cases: std::env::var("PROPTEST_CASES").map_or(CASES, |cases| cases.parse().unwrap()),
            failure_persistence: None,
            ..Config::default()
        };
        let result = runner(config).run(&bytes(), |data| {
            execution(&data);
            Ok(())
        });
        result.unwrap_or_else(|failure| panic!("{failure}"));
    }

    /// Bytes, and the document and the variables that they choose.
    #[rustfmt::skip]
    const EXAMPLES: [(&[u8], &str, &str); 3] = [
        (&[], "{ version }", "{}"),
        // Fragments and the interface. The last field fails, and so `fruit` is null.
        (
            &[
                0, 4, 0, 0, 0, 0, 0, 0, 3, 3, 2, 0, 7, 0, 1, 0, 1, 3, 0, 1, 0, 0, 0, 4, 0, 3,
                0, 0, 0, 0, 0, 1, 3, 3, 0, 3, 0, 0, 0, 0, 6, 0, 1, 0, 0, 5,
            ],
            "query($v0: Range, $v1: Boolean!) { fruit { id ... on Pear { stem(of: $v0) } \
                ...F0 @include(if: $v1) __typename } }\n\
            fragment F0 on Fruit { all { id ... on Plum { strong } } }",
            r#"{"v0":{"from":-7},"v1":true}"#,
        ),
        // Variables in input objects and lists, given and by default.
        (
            &[
                3, 1, 1, 1, 0, 1, 0, 2, 0, 1, 0, 2, 1, 2, 0, 0, 1, 1, 0, 1, 0, 4, 0, 0, 0, 0,
                0, 0, 0, 1, 5, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 2, 0, 0, 0, 6,
            ],
            "mutation M($v0: Color = BLUE, $v1: Filter, $v2: Range!) { \
                k1: change(by: {color: $v0, id: 1, inner: $v1, ranges: [{from: 2}, $v2]}) \
                fill { weak } }",
            r#"{"v1":{"id":"$v0"},"v2":{"to":null}}"#,
        ),
    ];

    #[test]
    fn bytes_choose_a_document() {
        for (data, expected_text, expected_given) in EXAMPLES {
            let (text, given) = generate(data, &library().types);
            let given = Json::Object(given).to_string();
            assert_eq!((&*text, &*given), (expected_text, expected_given));
            execution(data);
        }
    }

    /// Parts of texts, all of which some documents must have.
    const FEATURES: [&[&str]; 27] = [
        // Fragments: several, one spread twice, on objects and on the interface, without a type.
        &["\nfragment F1 on"],
        &["...F0", "...F0 }\n"],
        &["on Basket {"],
        &["... on Fruit"],
        &["on Fruit {"],
        &["... on Pear"],
        &["on Apple {"],
        &["... {"],
        &["... @"],
        &["{ k1: "],
        &["__typename"],
        &["@skip(if: true)"],
        &["@include(if: false)"],
        &["@skip(if: $v"],
        &["@include(if: $v"],
        // Arguments: variables at each depth, defaults that are used and overridden, nulls.
        &["(count: $v"],
        &["(by: $v"],
        &["{id: $v"],
        &["from: $v"],
        &["[$v"],
        &["inner: {"],
        &["range: {"],
        &["color: RED"],
        &["null"],
        &[": Color = "],
        // What fails.
        &["strong"],
        &["mutation M", "weak"],
    ];

    #[test]
    fn documents_have_all_features() {
        let mut runner = runner(Config::default());
        let texts: Vec<String> = (0..500)
            .map(|_| {
                let data = bytes().new_tree(&mut runner).expect("bytes").current();
                generate(&data, &library().types).0
            })
            .collect();
        for parts in FEATURES {
            let has_all = |text: &&String| parts.iter().all(|part| text.contains(part));
            let found = texts.iter().filter(has_all).count();
            assert!(found >= 5, "{found} documents have {parts:?}");
        }
    }
}
