//! The page arguments `first`, `after`, `last` and `before` as they came, and their rules.

use crate::domain::{
    filter::Order,
    invalid_argument::InvalidArgument,
    keyset::{KeysetRange, decode_cursor},
};

/// How many rows a page has unless the caller says.
pub(crate) const DEFAULT_SIZE: u64 = 50;
/// How many rows a page has at most.
pub(crate) const MAX_SIZE: u64 = 500;
/// How many steps of one build `limit` may ask for.
pub(crate) const MAX_LIMIT: u64 = 10_000;

/// The page arguments as they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct PageInput {
    pub(crate) first: Option<i32>,
    pub(crate) after: Option<String>,
    pub(crate) last: Option<i32>,
    pub(crate) before: Option<String>,
}

impl PageInput {
    /// Checks the arguments, and the cursors against the order of the list.
    ///
    /// # Errors
    /// The first argument that breaks a rule.
    pub(crate) fn range<F: std::fmt::Debug>(
        self,
        order: &Order<F>,
    ) -> Result<KeysetRange, InvalidArgument> {
        if let (Some(first), Some(last)) = (self.first, self.last) {
            let rule = format!("not together with first, got first: {first} and last: {last}");
            return Err(InvalidArgument::new("last", rule));
        }
        let (size, backward) = match (self.first, self.last) {
            (Some(n), _) => (check_bounds("first", n, MAX_SIZE)?, false),
            (_, Some(n)) => (check_bounds("last", n, MAX_SIZE)?, true),
            _ => (DEFAULT_SIZE, false),
        };
        let key = |argument, cursor: Option<String>| {
            cursor
                .map(|cursor| decode_cursor(argument, &cursor, order))
                .transpose()
        };
        Ok(KeysetRange {
            size,
            backward,
            after: key("after", self.after)?,
            before: key("before", self.before)?,
        })
    }
}

/// Takes a number from 0 to `max`.
pub(crate) fn check_bounds(
    argument: &'static str,
    value: i32,
    max: u64,
) -> Result<u64, InvalidArgument> {
    u64::try_from(value)
        .ok()
        .filter(|v| *v <= max)
        .ok_or_else(|| {
            InvalidArgument::new(argument, format!("a number from 0 to {max}, got {value}"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        filter::{Direction, Value},
        keyset::encode_cursor,
        page::Rows,
    };

    #[derive(Clone, Copy, Debug)]
    enum Field {
        Name,
        Id,
    }

    fn order() -> Order<Field> {
        vec![(Field::Name, Direction::Desc), (Field::Id, Direction::Asc)]
    }

    fn input(first: Option<i32>, last: Option<i32>) -> PageInput {
        PageInput {
            first,
            last,
            ..PageInput::default()
        }
    }

    #[test]
    fn sizes_have_a_default_and_bounds() {
        let range = |first, last| input(first, last).range(&order());
        assert_eq!(range(None, None).map(|w| w.size), Ok(50));
        assert_eq!(range(Some(0), None).map(|w| w.size), Ok(0));
        assert_eq!(range(None, Some(500)).map(|w| w.backward), Ok(true));
        assert_eq!(range(Some(501), None).expect_err("501").argument, "first");
        assert_eq!(range(None, Some(-1)).expect_err("-1").argument, "last");
        assert_eq!(range(Some(1), Some(1)).expect_err("both").argument, "last");
    }

    #[test]
    fn cursors_come_back_and_fit_one_order() {
        let key = vec![Some(Value::Text("ü".into())), Some(Value::Int(7))];
        let cursor = encode_cursor(&order(), &key);
        let range = |after: String, order: &Order<Field>| {
            PageInput {
                after: Some(after),
                ..PageInput::default()
            }
            .range(order)
        };
        assert_eq!(
            range(cursor.clone(), &order()).map(|w| w.after),
            Ok(Some(key))
        );
        let other = vec![(Field::Id, Direction::Asc)];
        assert!(
            range(cursor, &other)
                .expect_err("other order")
                .reason
                .contains("same order")
        );
        assert_eq!(
            range("?".into(), &order()).expect_err("garbage").argument,
            "after"
        );
    }

    #[test]
    fn a_page_knows_its_neighbours() {
        let page = |range: &KeysetRange, rows: Vec<i32>, more| {
            let page = range.page(Rows { rows, more }).expect("readable");
            (page.rows, page.has_next, page.has_previous)
        };
        let mut range = input(Some(2), None).range(&order()).expect("valid");
        assert_eq!(page(&range, vec![1, 2], true), (vec![1, 2], true, false));
        range.after = Some(Vec::new());
        assert_eq!(page(&range, vec![1], false), (vec![1], false, true));
        let range = input(None, Some(2)).range(&order()).expect("valid");
        assert_eq!(page(&range, vec![9, 8], true), (vec![8, 9], false, true));
        let nothing = Rows::<i32> {
            rows: Vec::new(),
            more: true,
        };
        assert_eq!(range.page(nothing).expect_err("no cursor").argument, "last");
    }
}
