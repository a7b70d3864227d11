//! The query language: `field`, `order`, `limit`, `offset`, `property` and filters -> fields, and the part of a list that the store reads.

use std::{borrow::Cow, collections::BTreeMap};

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::{
    domain::{
        error::{Error, Result},
        filter::{Direction, Filter, Order},
        offset_page::{OffsetPage, OffsetPageArgs},
    },
    http::rest::{
        filter::{self, FilterOperator, Operand},
        response::{RestError, shown},
    },
};

/// The most parameters that one request may have.
const MAX_PARAMETERS: usize = 1_000;
/// The parameters that are no filters.
pub(crate) const CONTROLS: [&str; 5] = ["field", "order", "limit", "offset", "property"];

/// What a field holds, and so how a value for it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    /// A number, or a time in seconds.
    Number {
        nullable: bool,
    },
    Bool,
    Text {
        nullable: bool,
    },
    /// A step's name: Buildbot takes only identifiers of up to 50 characters as values.
    Identifier,
    /// A list of numbers.
    Numbers,
    /// A list of texts.
    Texts,
    /// No value can be compared with it.
    Opaque,
}

/// A field of a resource.
#[derive(Debug)]
pub(crate) struct ResourceField<F> {
    pub(crate) name: &'static str,
    pub(crate) kind: FieldKind,
    /// What the store calls it; none where all rows are alike in it.
    pub(crate) field: Option<F>,
}

/// A kind of resource.
#[derive(Debug)]
pub(crate) struct Resource<F: 'static> {
    pub(crate) plural: &'static str,
    pub(crate) columns: &'static [ResourceField<F>],
    /// The order that every other is made total with, ascending.
    pub(crate) order: &'static [F],
}

impl<F> Resource<F> {
    fn column(&self, name: &str) -> Option<&'static ResourceField<F>> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// The parameters of a request by name, each with its values in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters(BTreeMap<String, Vec<String>>);

impl Parameters {
    /// Splits on `&` and `;`. As in Buildbot, what has no `=` is no parameter.
    ///
    /// # Errors
    /// 400 for too many, and for what is not UTF-8.
    pub(crate) fn read(query: &str) -> Result<Self, RestError> {
        let decoded = |text: &str| {
            let spaced = text.replace('+', " ");
            let decoded = percent_decode_str(&spaced).decode_utf8();
            decoded
                .map(Cow::into_owned)
                .map_err(|_| RestError::bad("the query is not UTF-8"))
        };
        let pairs = || query.split(['&', ';']).filter_map(|p| p.split_once('='));
        let number = pairs().count();
        if number > MAX_PARAMETERS {
            return Err(RestError::bad(format!(
                "at most {MAX_PARAMETERS} parameters, got {number}"
            )));
        }
        let mut parameters = Self::default();
        for (name, value) in pairs() {
            let values = parameters.0.entry(decoded(name)?).or_default();
            values.push(decoded(value)?);
        }
        Ok(parameters)
    }

    /// Each value with its name.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .flat_map(|(name, values)| values.iter().map(|value| (&**name, &**value)))
    }

    fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// A number from 0 on; the first counts.
    fn number(&self, name: &str) -> Result<Option<u64>> {
        let Some(text) = self.all(name).first() else {
            return Ok(None);
        };
        let value = match Operand::number(text) {
            Some(Operand::Number(n)) => u64::try_from(n).ok(),
            Some(Operand::AboveAll) => Some(u64::MAX),
            _ => None,
        };
        match value {
            Some(_) => Ok(value),
            None => Err(Error::invalid(
                name,
                format!("an integer from 0 on, got {}", shown(text)),
            )),
        }
    }
}

/// A request that has been understood.
#[derive(Debug)]
pub(crate) struct RestQuery<F> {
    plural: &'static str,
    /// The fields that are wanted; none is all.
    fields: Option<Vec<&'static str>>,
    /// The part of the list.
    pub(crate) args: OffsetPageArgs<F>,
    /// The limit is ours, not the caller's.
    capped: bool,
    /// The names of the properties that are wanted, `*` being all.
    pub(crate) properties: Vec<String>,
}

impl<F: Copy + PartialEq> RestQuery<F> {
    /// Reads the parameters for a list, at most `max` rows of it.
    ///
    /// # Errors
    /// `Invalid` for the first parameter that breaks a rule.
    pub(crate) fn list(
        noun: &'static Resource<F>,
        parameters: &Parameters,
        max: u64,
    ) -> Result<Self> {
        let mut selected = None;
        for name in parameters.all("field") {
            let column = noun
                .column(name)
                .ok_or_else(|| no_field("field", name))?
                .name;
            selected.get_or_insert_with(Vec::new).push(column);
        }
        let order = order(noun, parameters.all("order"), selected.as_deref())?;
        let limit = parameters.number("limit")?;
        let offset = parameters.number("offset")?.unwrap_or(0);
        let mut filters = Vec::new();
        for (name, values) in &parameters.0 {
            if CONTROLS.contains(&name.as_str()) {
                continue;
            }
            let (column, operator) = tested(noun, name)?;
            filters.push(filter::read(column, name, operator, values)?);
            unless_left_out(selected.as_deref(), column, name)?;
        }
        Ok(Self {
            plural: noun.plural,
            fields: selected,
            args: OffsetPageArgs {
                filter: Filter::All(filters),
                order,
                limit: limit.unwrap_or(max).min(max),
                offset,
            },
            capped: limit.is_none_or(|limit| limit > max),
            properties: parameters.all("property").to_vec(),
        })
    }

    /// Reads the parameters for a single resource: all are checked, and `field` and `property` count.
    ///
    /// # Errors
    /// `Invalid` for the first parameter that breaks a rule.
    pub(crate) fn single(noun: &'static Resource<F>, parameters: &Parameters) -> Result<Self> {
        let query = Self::list(noun, parameters, 1)?;
        let names = parameters.0.keys().map(String::as_str);
        match names.into_iter().find(|name| !CONTROLS.contains(name)) {
            Some(filter) => Err(Error::invalid(
                filter,
                "a filter is for a collection, and this is a single resource",
            )),
            None => Ok(query),
        }
    }

    /// The caller wants to see this field.
    pub(crate) fn wants(&self, field: &str) -> bool {
        self.fields.as_ref().is_none_or(|f| f.contains(&field))
    }

    /// The body of an answer with a part of a list.
    pub(crate) fn part(&self, part: OffsetPage<Value>) -> Value {
        let mut meta = json!({ "total": part.total });
        if self.capped && self.args.offset.saturating_add(self.args.limit) < part.total {
            meta["capped"] = true.into();
        }
        self.body(part.rows, &meta)
    }

    /// The body of an answer with one resource.
    pub(crate) fn one(&self, row: Value) -> Value {
        self.body(vec![row], &json!({}))
    }

    fn body(&self, rows: Vec<Value>, meta: &Value) -> Value {
        let rows = rows.into_iter().map(|row| self.picked(row)).collect();
        json!({ self.plural: Value::Array(rows), "meta": meta })
    }

    fn picked(&self, mut row: Value) -> Value {
        if let (Some(fields), Some(row)) = (&self.fields, row.as_object_mut()) {
            row.retain(|name, _| fields.contains(&name.as_str()));
        }
        row
    }
}

fn no_field(parameter: &str, name: &str) -> Error {
    Error::invalid(parameter, format!("there is no field {}", shown(name)))
}

/// The column and the operator that a filter's parameter names.
fn tested<F>(
    noun: &'static Resource<F>,
    parameter: &str,
) -> Result<(&'static ResourceField<F>, FilterOperator)> {
    if let Some(column) = noun.column(parameter) {
        return Ok((column, FilterOperator::Eq));
    }
    let Some((name, operator)) = parameter.rsplit_once("__") else {
        return Err(Error::invalid(
            shown(parameter),
            "there is no parameter and no field of this name",
        ));
    };
    let column = noun.column(name);
    let column = column.ok_or_else(|| no_field(&shown(parameter), name))?;
    let operator = FilterOperator::named(operator).ok_or_else(|| {
        let rule = format!(
            "one of {}, got {}",
            FilterOperator::NAMES.join(", "),
            shown(operator)
        );
        Error::invalid(shown(parameter), rule)
    })?;
    Ok((column, operator))
}

/// As in Buildbot, what is not selected can be neither filtered nor ordered by.
fn unless_left_out<F>(
    selected: Option<&[&str]>,
    column: &ResourceField<F>,
    parameter: &str,
) -> Result<()> {
    if selected.is_none_or(|fields| fields.contains(&column.name)) {
        return Ok(());
    }
    let rule = format!(
        "{} is not among the fields that `field` selects",
        column.name
    );
    Err(Error::invalid(parameter, rule))
}

/// The order that was asked for, most significant first, made total. A key that comes again changes nothing.
fn order<F: Copy + PartialEq>(
    noun: &'static Resource<F>,
    keys: &[String],
    selected: Option<&[&str]>,
) -> Result<Order<F>> {
    let mut order: Order<F> = Vec::new();
    let mut add = |field, direction| {
        if order.iter().all(|(known, _)| *known != field) {
            order.push((field, direction));
        }
    };
    for key in keys {
        let (name, direction) = match key.strip_prefix('-') {
            Some(name) => (name, Direction::Desc),
            None => (key.as_str(), Direction::Asc),
        };
        let column = noun.column(name).ok_or_else(|| no_field("order", name))?;
        unless_left_out(selected, column, "order")?;
        if let Some(field) = column.field {
            add(field, direction);
        }
    }
    for field in noun.order {
        add(*field, Direction::Asc);
    }
    Ok(order)
}
