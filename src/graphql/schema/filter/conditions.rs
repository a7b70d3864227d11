//! Translates the tests of one filter input into conditions of `domain::filter`.

use async_graphql::MaybeUndefined;

use crate::{
    domain::filter::{self, Filter, Test, Value},
    graphql::schema::filter::operators::{
        DateTimeFilter, IntFilter, ResultsFilter, StringFilter, StringListFilter,
    },
};

/// The conditions of one input object, all of which a row must meet.
pub(crate) struct Conditions<F> {
    all: Vec<Filter<F>>,
}

impl<F: Copy> Conditions<F> {
    pub(crate) fn new() -> Self {
        Self { all: Vec::new() }
    }

    pub(crate) fn push(&mut self, filter: Filter<F>) {
        self.all.push(filter);
    }

    /// Adds a comparison; with an explicit null it matches nothing.
    fn compare<T>(&mut self, field: F, operand: MaybeUndefined<T>, test: impl FnOnce(T) -> Test) {
        self.compare_all(field, operand, |value| vec![test(value)]);
    }

    /// The same where a comparison is several tests.
    fn compare_all<T>(
        &mut self,
        field: F,
        operand: MaybeUndefined<T>,
        tests: impl FnOnce(T) -> Vec<Test>,
    ) {
        match operand {
            MaybeUndefined::Undefined => {}
            MaybeUndefined::Null => self.push(Filter::nothing()),
            MaybeUndefined::Value(value) => {
                let tests = tests(value).into_iter();
                self.all
                    .extend(tests.map(|test| Filter::Field(field, test)));
            }
        }
    }

    fn test_null(&mut self, field: F, is_null: Option<bool>) {
        if let Some(is_null) = is_null {
            let filter = Filter::Field(field, Test::IsNull);
            self.push(if is_null { filter } else { filter.negate() });
        }
    }

    pub(crate) fn test_int(&mut self, field: F, filter: Option<IntFilter>) {
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
        self.test_null(field, f.is_null);
    }

    pub(crate) fn test_text(&mut self, field: F, filter: Option<StringFilter>) {
        let Some(f) = filter else { return };
        let texts = |list: Vec<String>| list.into_iter().map(Value::Text).collect();
        self.compare(field, f.eq, |v| Test::Eq(Value::Text(v)));
        self.compare(field, f.ne, |v| Test::Ne(Value::Text(v)));
        self.compare(field, f.contains, Test::Contains);
        self.compare(field, f.contains_ignore_case, Test::ContainsIgnoreCase);
        self.compare_all(field, f.starts_with, |v| filter::starts_with(&v).collect());
        self.compare(field, f.r#in, |v| Test::In(texts(v)));
        self.compare(field, f.not_in, |v| Test::NotIn(texts(v)));
    }

    pub(crate) fn test_time(&mut self, field: F, filter: Option<DateTimeFilter>) {
        let Some(f) = filter else { return };
        self.compare(field, f.eq, |v| Test::Eq(Value::Int(v.0)));
        self.compare(field, f.lt, |v| Test::Lt(Value::Int(v.0)));
        self.compare(field, f.le, |v| Test::Le(Value::Int(v.0)));
        self.compare(field, f.gt, |v| Test::Gt(Value::Int(v.0)));
        self.compare(field, f.ge, |v| Test::Ge(Value::Int(v.0)));
        self.test_null(field, f.is_null);
    }

    pub(crate) fn test_list(&mut self, field: F, filter: Option<StringListFilter>) {
        let Some(f) = filter else { return };
        self.compare(field, f.contains, Test::Contains);
    }

    pub(crate) fn test_results(&mut self, field: F, filter: Option<ResultsFilter>) {
        self.all.extend(filter.map(|f| f.read().filter(field)));
    }

    /// A build or step is complete once it has a completion time; its results play no part.
    pub(crate) fn test_complete(&mut self, complete_at: F, complete: Option<bool>) {
        self.test_null(complete_at, complete.map(|complete| !complete));
    }

    /// Adds the nested inputs of `and`, `or` and `not`.
    pub(crate) fn combine<I: Into<Filter<F>>>(
        &mut self,
        and: Option<Vec<I>>,
        or: Option<Vec<I>>,
        not: Option<Box<I>>,
    ) {
        let all = |list: Vec<I>| list.into_iter().map(Into::into).collect();
        self.all.extend(and.map(|list| Filter::All(all(list))));
        self.all.extend(or.map(|list| Filter::Any(all(list))));
        self.all.extend(not.map(|inner| (*inner).into().negate()));
    }

    pub(crate) fn into_filter(self) -> Filter<F> {
        Filter::All(self.all)
    }
}
