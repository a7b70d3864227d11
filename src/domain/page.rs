//! Pages of a list: from `first`, `after`, `last` and `before` to a window of rows, and back to cursors.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::domain::filter::{Direction, Filter, Value};

/// How many rows a page has when nobody says.
pub(crate) const DEFAULT_SIZE: u64 = 50;
/// How many rows a page has at most.
pub(crate) const MAX_SIZE: u64 = 500;
/// How many steps of one build `limit` may ask for.
pub(crate) const MAX_LIMIT: u64 = 10_000;

/// The place of a row in an order: the values it is ordered by, its id last. A null is none.
pub(crate) type KeysetKey = Vec<Option<Value>>;

/// An order: fields with directions, most significant first; the last is always the id.
pub(crate) type Order<F> = Vec<(F, Direction)>;

/// Which rows of a list are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeysetRange {
    /// At most so many.
    pub(crate) size: u64,
    /// Taken from the end of the range instead of its start.
    pub(crate) backward: bool,
    /// Only rows behind this place.
    pub(crate) after: Option<KeysetKey>,
    /// Only rows before this place.
    pub(crate) before: Option<KeysetKey>,
}

/// A list as it is asked for by place: which rows, in which order, and how many after leaving out how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OffsetPageArgs<F> {
    /// Which rows belong to the list.
    pub(crate) filter: Filter<F>,
    /// Their order.
    pub(crate) order: Order<F>,
    /// At most so many rows …
    pub(crate) limit: u64,
    /// … after leaving out so many.
    pub(crate) offset: u64,
}

/// What was read of a list.
#[derive(Clone, Debug)]
pub(crate) struct OffsetPage<T> {
    /// The rows, but for those that cannot be read.
    pub(crate) rows: Vec<T>,
    /// How many rows the whole list has.
    pub(crate) total: u64,
}

/// A list as it is asked for: which rows, in which order, and which window of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PageArgs<F> {
    /// Which rows belong to the list.
    pub(crate) filter: Filter<F>,
    /// Their order.
    pub(crate) order: Order<F>,
    /// The part of them.
    pub(crate) window: KeysetRange,
}

/// Rows as the database gave them: at most so many as asked for.
#[derive(Clone, Debug)]
pub(crate) struct Rows<T> {
    /// Those that can be read.
    pub(crate) rows: Vec<T>,
    /// There was at least one more than asked for.
    pub(crate) more: bool,
}

impl<T> Rows<T> {
    /// The same rows as another type.
    pub(crate) fn map<U: From<T>>(self) -> Rows<U> {
        Rows {
            rows: self.rows.into_iter().map(U::from).collect(),
            more: self.more,
        }
    }
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            more: false,
        }
    }
}

/// The rows of a window, and whether there are more on either side.
#[derive(Clone, Debug)]
pub(crate) struct Page<T> {
    /// The rows, in the order asked for.
    pub(crate) rows: Vec<T>,
    /// There are rows behind these.
    pub(crate) has_next: bool,
    /// There are rows before these.
    pub(crate) has_previous: bool,
}

/// The page arguments as they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct PageInput {
    pub(crate) first: Option<i32>,
    pub(crate) after: Option<String>,
    pub(crate) last: Option<i32>,
    pub(crate) before: Option<String>,
}

/// An argument that breaks a rule: its name, and the rule with the value.
pub(crate) type InvalidArgument = (&'static str, String);

/// A number from 0 to `max`.
///
/// # Errors
/// The argument's name and the rule that it breaks.
pub(crate) fn bounded(
    argument: &'static str,
    value: i32,
    max: u64,
) -> Result<u64, InvalidArgument> {
    u64::try_from(value)
        .ok()
        .filter(|v| *v <= max)
        .ok_or_else(|| (argument, format!("a number from 0 to {max}, got {value}")))
}

impl PageInput {
    /// Checks the arguments against the order they are for.
    ///
    /// # Errors
    /// The first argument that breaks a rule.
    pub(crate) fn window<F: Copy + std::fmt::Debug>(
        self,
        order: &Order<F>,
    ) -> Result<KeysetRange, InvalidArgument> {
        if let (Some(first), Some(last)) = (self.first, self.last) {
            let rule = format!("not together with first, got first: {first} and last: {last}");
            return Err(("last", rule));
        }
        let (size, backward) = match (self.first, self.last) {
            (Some(n), _) => (bounded("first", n, MAX_SIZE)?, false),
            (_, Some(n)) => (bounded("last", n, MAX_SIZE)?, true),
            _ => (DEFAULT_SIZE, false),
        };
        let read =
            |argument, text: Option<String>| text.map(|t| decode(argument, &t, order)).transpose();
        Ok(KeysetRange {
            size,
            backward,
            after: read("after", self.after)?,
            before: read("before", self.before)?,
        })
    }
}

impl KeysetRange {
    /// Makes the page of the rows that were read, which came from the window's end first if it is backward.
    ///
    /// # Errors
    /// There are rows, but none that can be read, so there is no cursor to go on from.
    pub(crate) fn page<T>(&self, read: Rows<T>) -> Result<Page<T>, InvalidArgument> {
        let Rows { mut rows, more } = read;
        if rows.is_empty() && more && self.size > 0 {
            let argument = if self.backward { "last" } else { "first" };
            let rule = "a larger page, since no row of this one can be read";
            return Err((argument, format!("{rule}, got {}", self.size)));
        }
        if self.backward {
            rows.reverse();
        }
        // A cursor belongs to a row, so there is something on its side.
        let (ahead, behind) = (self.before.is_some(), self.after.is_some());
        Ok(Page {
            rows,
            has_next: ahead || (more && !self.backward),
            has_previous: behind || (more && self.backward),
        })
    }
}

fn signature<F: std::fmt::Debug>(order: &Order<F>) -> String {
    order
        .iter()
        .map(|(field, direction)| format!("{field:?} {direction:?}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The opaque cursor of a row: the order it is good for, and the row's place in it.
#[must_use]
pub(crate) fn encode<F: std::fmt::Debug>(order: &Order<F>, key: &KeysetKey) -> String {
    let key: Vec<serde_json::Value> = key
        .iter()
        .map(|value| match value {
            None => serde_json::Value::Null,
            Some(Value::Int(n)) => (*n).into(),
            Some(Value::Text(t)) => t.clone().into(),
        })
        .collect();
    URL_SAFE_NO_PAD.encode(serde_json::json!([signature(order), key]).to_string())
}

fn decode<F: Copy + std::fmt::Debug>(
    argument: &'static str,
    cursor: &str,
    order: &Order<F>,
) -> Result<KeysetKey, InvalidArgument> {
    let refuse = |reason: &str| (argument, format!("{reason}, got {cursor:?}"));
    let (made_for, key) = URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|json| serde_json::from_slice::<(String, Vec<serde_json::Value>)>(&json).ok())
        .ok_or_else(|| refuse("a cursor of this list"))?;
    if made_for != signature(order) || key.len() != order.len() {
        return Err(refuse("a cursor of a list in the same order"));
    }
    key.into_iter()
        .map(|value| match value {
            serde_json::Value::Null => Ok(None),
            serde_json::Value::String(t) => Ok(Some(Value::Text(t))),
            other => match other.as_i64() {
                Some(n) => Ok(Some(Value::Int(n))),
                None => Err(refuse("a cursor of this list")),
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Field {
        Name,
        Id,
    }

    fn order() -> Order<Field> {
        vec![(Field::Name, Direction::Desc), (Field::Id, Direction::Asc)]
    }

    fn raw(first: Option<i32>, last: Option<i32>) -> PageInput {
        PageInput {
            first,
            last,
            ..PageInput::default()
        }
    }

    #[test]
    fn sizes_have_a_default_and_bounds() {
        let window = |first, last| raw(first, last).window(&order());
        assert_eq!(window(None, None).map(|w| w.size), Ok(50));
        assert_eq!(window(Some(0), None).map(|w| w.size), Ok(0));
        assert_eq!(window(None, Some(500)).map(|w| w.backward), Ok(true));
        assert_eq!(window(Some(501), None).expect_err("501").0, "first");
        assert_eq!(window(None, Some(-1)).expect_err("-1").0, "last");
        assert_eq!(window(Some(1), Some(1)).expect_err("both").0, "last");
    }

    #[test]
    fn cursors_come_back_and_fit_one_order() {
        let key = vec![Some(Value::Text("ü".into())), Some(Value::Int(7))];
        let cursor = encode(&order(), &key);
        let window = |after: String, order: &Order<Field>| {
            PageInput {
                after: Some(after),
                ..PageInput::default()
            }
            .window(order)
        };
        assert_eq!(
            window(cursor.clone(), &order()).map(|w| w.after),
            Ok(Some(key))
        );
        let other = vec![(Field::Id, Direction::Asc)];
        assert!(
            window(cursor, &other)
                .expect_err("other order")
                .1
                .contains("same order")
        );
        assert_eq!(
            window("?".into(), &order()).expect_err("garbage").0,
            "after"
        );
    }

    #[test]
    fn a_page_knows_its_neighbours() {
        let page = |window: &KeysetRange, rows: Vec<i32>, more| {
            let page = window.page(Rows { rows, more }).expect("readable");
            (page.rows, page.has_next, page.has_previous)
        };
        let mut window = raw(Some(2), None).window(&order()).expect("valid");
        assert_eq!(page(&window, vec![1, 2], true), (vec![1, 2], true, false));
        window.after = Some(Vec::new());
        assert_eq!(page(&window, vec![1], false), (vec![1], false, true));
        let window = raw(None, Some(2)).window(&order()).expect("valid");
        assert_eq!(page(&window, vec![9, 8], true), (vec![8, 9], false, true));
        let nothing = Rows::<i32> {
            rows: Vec::new(),
            more: true,
        };
        assert_eq!(window.page(nothing).expect_err("no cursor").0, "last");
    }
}
