//! Filter inputs, and their translation into the plain values of `model::filter`.

use async_graphql::{InputObject, MaybeUndefined};

use crate::{
    domain::{
        build::BuildField,
        builder::BuilderField,
        error::{Error, Result},
        filter::{Filter, Test, Value},
        results,
        step::StepField,
    },
    graphql::schema::{results::Results, scalar::DateTime},
};

/// The most conditions that one `where` may hold, lists of values counted with their length.
const MAX_CONDITIONS: usize = 1_000;
/// How deep `and`, `or` and `not` may nest.
const MAX_DEPTH: usize = 20;

/// A test of a number.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct IntFilter {
    eq: MaybeUndefined<i32>,
    ne: MaybeUndefined<i32>,
    lt: MaybeUndefined<i32>,
    le: MaybeUndefined<i32>,
    gt: MaybeUndefined<i32>,
    ge: MaybeUndefined<i32>,
    r#in: MaybeUndefined<Vec<i32>>,
    not_in: MaybeUndefined<Vec<i32>>,
    is_null: Option<bool>,
}

/// A test of a text. Texts are compared by code point; `contains` is a case-sensitive substring.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct StringFilter {
    eq: MaybeUndefined<String>,
    ne: MaybeUndefined<String>,
    contains: MaybeUndefined<String>,
    r#in: MaybeUndefined<Vec<String>>,
    not_in: MaybeUndefined<Vec<String>>,
}

/// A test of a list of texts: `contains` asks for one of its elements.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct StringListFilter {
    contains: MaybeUndefined<String>,
}

/// A test of a time.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct DateTimeFilter {
    eq: MaybeUndefined<DateTime>,
    lt: MaybeUndefined<DateTime>,
    le: MaybeUndefined<DateTime>,
    gt: MaybeUndefined<DateTime>,
    ge: MaybeUndefined<DateTime>,
    is_null: Option<bool>,
}

/// A test of a result.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct ResultsFilter {
    eq: MaybeUndefined<Results>,
    ne: MaybeUndefined<Results>,
    r#in: MaybeUndefined<Vec<Results>>,
    not_in: MaybeUndefined<Vec<Results>>,
    is_null: Option<bool>,
}

/// Which steps. All given conditions hold together; an empty input matches every step.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct StepFilter {
    stepid: Option<IntFilter>,
    buildid: Option<IntFilter>,
    number: Option<IntFilter>,
    name: Option<StringFilter>,
    state_string: Option<StringFilter>,
    started_at: Option<DateTimeFilter>,
    locks_acquired_at: Option<DateTimeFilter>,
    complete_at: Option<DateTimeFilter>,
    complete: Option<bool>,
    hidden: Option<bool>,
    results: Option<ResultsFilter>,
    and: Option<Vec<StepFilter>>,
    or: Option<Vec<StepFilter>>,
    not: Option<Box<StepFilter>>,
}

/// Which builds. All given conditions hold together; an empty input matches every build.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct BuildFilter {
    buildid: Option<IntFilter>,
    builderid: Option<IntFilter>,
    number: Option<IntFilter>,
    workerid: Option<IntFilter>,
    state_string: Option<StringFilter>,
    started_at: Option<DateTimeFilter>,
    complete_at: Option<DateTimeFilter>,
    complete: Option<bool>,
    results: Option<ResultsFilter>,
    and: Option<Vec<BuildFilter>>,
    or: Option<Vec<BuildFilter>>,
    not: Option<Box<BuildFilter>>,
}

/// Which builders. All given conditions hold together; an empty input matches every builder.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct BuilderFilter {
    builderid: Option<IntFilter>,
    name: Option<StringFilter>,
    tags: Option<StringListFilter>,
    and: Option<Vec<BuilderFilter>>,
    or: Option<Vec<BuilderFilter>>,
    not: Option<Box<BuilderFilter>>,
}

/// Collects the conditions of one input object, and how many there are under the whole `where`.
struct Conditions<F> {
    parts: Vec<Filter<F>>,
}

impl<F: Copy> Conditions<F> {
    fn new() -> Self {
        Self { parts: Vec::new() }
    }

    /// A comparison: with null it is false.
    fn compare<T>(&mut self, field: F, operand: MaybeUndefined<T>, test: impl FnOnce(T) -> Test) {
        match operand {
            MaybeUndefined::Undefined => {}
            MaybeUndefined::Null => self.parts.push(Filter::nothing()),
            MaybeUndefined::Value(value) => self.parts.push(Filter::Field(field, test(value))),
        }
    }

    fn is_null(&mut self, field: F, is_null: Option<bool>) {
        if let Some(is_null) = is_null {
            let filter = Filter::Field(field, Test::IsNull);
            self.parts
                .push(if is_null { filter } else { filter.negate() });
        }
    }

    fn int(&mut self, field: F, filter: Option<IntFilter>) {
        let Some(f) = filter else { return };
        let int = |n: i32| Value::Int(n.into());
        let ints = |list: Vec<i32>| list.into_iter().map(int).collect();
        self.compare(field, f.eq, |v| Test::Eq(int(v)));
        self.compare(field, f.ne, |v| Test::Ne(int(v)));
        self.compare(field, f.lt, |v| Test::Lt(int(v)));
        self.compare(field, f.le, |v| Test::Le(int(v)));
        self.compare(field, f.gt, |v| Test::Gt(int(v)));
        self.compare(field, f.ge, |v| Test::Ge(int(v)));
        self.compare(field, f.r#in, |v| Test::In(ints(v)));
        self.compare(field, f.not_in, |v| Test::NotIn(ints(v)));
        self.is_null(field, f.is_null);
    }

    fn text(&mut self, field: F, filter: Option<StringFilter>) {
        let Some(f) = filter else { return };
        let texts = |list: Vec<String>| list.into_iter().map(Value::Text).collect();
        self.compare(field, f.eq, |v| Test::Eq(Value::Text(v)));
        self.compare(field, f.ne, |v| Test::Ne(Value::Text(v)));
        self.compare(field, f.contains, Test::Contains);
        self.compare(field, f.r#in, |v| Test::In(texts(v)));
        self.compare(field, f.not_in, |v| Test::NotIn(texts(v)));
    }

    fn time(&mut self, field: F, filter: Option<DateTimeFilter>) {
        let Some(f) = filter else { return };
        self.compare(field, f.eq, |v| Test::Eq(Value::Int(v.0)));
        self.compare(field, f.lt, |v| Test::Lt(Value::Int(v.0)));
        self.compare(field, f.le, |v| Test::Le(Value::Int(v.0)));
        self.compare(field, f.gt, |v| Test::Gt(Value::Int(v.0)));
        self.compare(field, f.ge, |v| Test::Ge(Value::Int(v.0)));
        self.is_null(field, f.is_null);
    }

    /// Every test asks for some of the seven codes, so that any other integer counts as null, which it is shown as.
    fn results(&mut self, field: F, filter: Option<ResultsFilter>) {
        let Some(f) = filter else { return };
        let one_of = |pass: &dyn Fn(results::Results) -> bool| {
            let codes = results::Results::ALL.into_iter().filter(|r| pass(*r));
            Test::In(codes.map(|r| Value::Int(r.code())).collect())
        };
        let plain = |list: Vec<Results>| {
            list.into_iter()
                .map(results::Results::from)
                .collect::<Vec<_>>()
        };
        self.compare(field, f.eq, |v| one_of(&|r| r == v.into()));
        self.compare(field, f.ne, |v| one_of(&|r| r != v.into()));
        self.compare(field, f.r#in.map_value(plain), |v| {
            one_of(&|r| v.contains(&r))
        });
        self.compare(field, f.not_in.map_value(plain), |v| {
            one_of(&|r| !v.contains(&r))
        });
        if let Some(is_null) = f.is_null {
            let known = Filter::Field(field, one_of(&|_| true));
            self.parts
                .push(if is_null { known.negate() } else { known });
        }
    }

    /// A build or step is complete when it has a completion time; the results play no part.
    fn complete(&mut self, complete_at: F, complete: Option<bool>) {
        self.is_null(complete_at, complete.map(|complete| !complete));
    }

    fn nested<I: Into<Filter<F>>>(
        &mut self,
        and: Option<Vec<I>>,
        or: Option<Vec<I>>,
        not: Option<Box<I>>,
    ) {
        let all = |list: Vec<I>| list.into_iter().map(Into::into).collect();
        self.parts.extend(and.map(|list| Filter::All(all(list))));
        self.parts.extend(or.map(|list| Filter::Any(all(list))));
        self.parts.extend(not.map(|inner| (*inner).into().negate()));
    }

    fn into_filter(self) -> Filter<F> {
        Filter::All(self.parts)
    }
}

impl From<StepFilter> for Filter<StepField> {
    fn from(f: StepFilter) -> Self {
        let mut parts = Conditions::new();
        parts.int(StepField::Stepid, f.stepid);
        parts.int(StepField::Buildid, f.buildid);
        parts.int(StepField::Number, f.number);
        parts.text(StepField::Name, f.name);
        parts.text(StepField::StateString, f.state_string);
        parts.time(StepField::StartedAt, f.started_at);
        parts.time(StepField::LocksAcquiredAt, f.locks_acquired_at);
        parts.time(StepField::CompleteAt, f.complete_at);
        parts.complete(StepField::CompleteAt, f.complete);
        parts.results(StepField::Results, f.results);
        if let Some(hidden) = f.hidden {
            let shown = Filter::Field(StepField::Hidden, Test::Eq(Value::Int(0)));
            parts
                .parts
                .push(if hidden { shown.negate() } else { shown });
        }
        parts.nested(f.and, f.or, f.not);
        parts.into_filter()
    }
}

impl From<BuildFilter> for Filter<BuildField> {
    fn from(f: BuildFilter) -> Self {
        let mut parts = Conditions::new();
        parts.int(BuildField::Buildid, f.buildid);
        parts.int(BuildField::Builderid, f.builderid);
        parts.int(BuildField::Number, f.number);
        parts.int(BuildField::Workerid, f.workerid);
        parts.text(BuildField::StateString, f.state_string);
        parts.time(BuildField::StartedAt, f.started_at);
        parts.time(BuildField::CompleteAt, f.complete_at);
        parts.complete(BuildField::CompleteAt, f.complete);
        parts.results(BuildField::Results, f.results);
        parts.nested(f.and, f.or, f.not);
        parts.into_filter()
    }
}

impl From<BuilderFilter> for Filter<BuilderField> {
    fn from(f: BuilderFilter) -> Self {
        let mut parts = Conditions::new();
        parts.int(BuilderField::Builderid, f.builderid);
        parts.text(BuilderField::Name, f.name);
        if let Some(tags) = f.tags {
            parts.compare(BuilderField::Tags, tags.contains, Test::Contains);
        }
        parts.nested(f.and, f.or, f.not);
        parts.into_filter()
    }
}

/// The rows that a `where` asks for.
///
/// # Errors
/// `Invalid` where it is larger than a database takes.
pub(crate) fn filter<F, I: Into<Filter<F>>>(input: Option<I>) -> Result<Filter<F>> {
    let Some(input) = input else {
        return Ok(Filter::everything());
    };
    let filter = input.into();
    let (conditions, depth) = size(&filter);
    if conditions > MAX_CONDITIONS {
        let rule = format!("at most {MAX_CONDITIONS} conditions and values, got {conditions}");
        return Err(Error::invalid("where", rule));
    }
    // Every level of input is two levels here, the object and its `and`, `or` or `not`; the innermost has its conditions.
    if depth > 2 * MAX_DEPTH + 1 {
        let rule = format!(
            "and, or and not nest at most {MAX_DEPTH} deep, got {}",
            depth / 2
        );
        return Err(Error::invalid("where", rule));
    }
    Ok(filter)
}

fn size<F>(filter: &Filter<F>) -> (usize, usize) {
    match filter {
        Filter::All(parts) | Filter::Any(parts) => parts
            .iter()
            .map(size)
            .fold((1, 0), |(n, d), (m, e)| (n + m, d.max(e + 1))),
        // Our own way of saying `isNull: false` and the like.
        Filter::Not(inner) if matches!(**inner, Filter::Field(..)) => size(inner),
        Filter::Not(inner) => {
            let (n, d) = size(inner);
            (n + 1, d + 1)
        }
        Filter::Field(_, Test::In(values) | Test::NotIn(values)) => (1 + values.len(), 0),
        Filter::Field(..) => (1, 0),
    }
}
