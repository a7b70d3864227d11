//! Interprets parameters for one kind of resource: which rows, in which order, with which fields.
//! Also makes the body of the answer.

use serde_json::{Value, json};

use crate::{
    domain::{
        error::{Error, Result},
        filter::{Direction, Filter, Order},
        offset_page::{OffsetPage, OffsetPageArgs},
    },
    http::rest::{
        filter::{self, FilterOperator},
        parameters::Parameters,
        resource::{Resource, ResourceField},
        response::quote,
    },
};

/// A parsed and checked request.
#[derive(Debug)]
pub(crate) struct RestQuery<F> {
    plural: &'static str,
    /// The selected fields; `None` selects all.
    selected: Option<Vec<&'static str>>,
    /// The part of the list that the store reads.
    pub(crate) args: OffsetPageArgs<F>,
    /// Whether the limit is the server's, not the caller's.
    is_capped: bool,
    /// The names of the selected properties; `*` selects all.
    pub(crate) properties: Vec<String>,
}

impl<F: Copy + PartialEq> RestQuery<F> {
    /// Reads the parameters for a list, of which the answer has at most `max` rows.
    ///
    /// # Errors
    /// `Invalid` for the first parameter that breaks a rule.
    pub(crate) fn list(
        resource: &'static Resource<F>,
        parameters: &Parameters,
        max: u64,
    ) -> Result<Self> {
        let selected = parse_selection(resource, parameters.values("field"))?;
        let order = parse_order(resource, parameters.values("order"), selected.as_deref())?;
        let limit = parameters.number("limit")?;
        let offset = parameters.number("offset")?.unwrap_or(0);
        let mut filters = Vec::new();
        for (name, values) in parameters.filters() {
            let (field, operator) = parse_filter_name(resource, name)?;
            filters.push(filter::parse(resource, field, name, operator, values)?);
            check_selected(selected.as_deref(), field, name)?;
        }
        Ok(Self {
            plural: resource.plural,
            selected,
            args: OffsetPageArgs {
                filter: Filter::All(filters),
                order,
                limit: limit.unwrap_or(max).min(max),
                offset,
            },
            is_capped: limit.is_none_or(|limit| limit > max),
            properties: parameters.values("property").to_vec(),
        })
    }

    /// Reads the parameters for a single resource: all are checked, but only `field` and `property`
    /// have an effect.
    ///
    /// # Errors
    /// `Invalid` for the first parameter that breaks a rule.
    pub(crate) fn single(resource: &'static Resource<F>, parameters: &Parameters) -> Result<Self> {
        // Read as a list first, so that an invalid parameter fails as it does there.
        let query = Self::list(resource, parameters, 1)?;
        match parameters.filters().next() {
            Some((name, _)) => Err(Error::invalid(
                name,
                "a filter is for a collection, and this is a single resource",
            )),
            None => Ok(query),
        }
    }

    /// Whether the caller selects this field.
    pub(crate) fn selects(&self, field: &str) -> bool {
        self.selected.as_ref().is_none_or(|f| f.contains(&field))
    }

    /// The body of an answer with a part of a list.
    pub(crate) fn list_body(&self, page: OffsetPage<Value>) -> Value {
        let mut meta = json!({ "total": page.total });
        if self.is_capped && self.args.offset.saturating_add(self.args.limit) < page.total {
            meta["capped"] = true.into();
        }
        self.body(page.rows, &meta)
    }

    /// The body of an answer with one resource.
    pub(crate) fn single_body(&self, row: Value) -> Value {
        self.body(vec![row], &json!({}))
    }

    fn body(&self, mut rows: Vec<Value>, meta: &Value) -> Value {
        if let Some(selected) = &self.selected {
            for row in rows.iter_mut().filter_map(Value::as_object_mut) {
                row.retain(|name, _| selected.contains(&name.as_str()));
            }
        }
        json!({ self.plural: Value::Array(rows), "meta": meta })
    }
}

fn unknown_field(parameter: &str, name: &str) -> Error {
    Error::invalid(parameter, format!("there is no field {}", quote(name)))
}

/// The fields that `field` selects; `None` where the parameter is absent.
fn parse_selection<F>(
    resource: &'static Resource<F>,
    names: &[String],
) -> Result<Option<Vec<&'static str>>> {
    let select = |name: &String| match resource.field(name) {
        Some(field) => Ok(field.name),
        None => Err(unknown_field("field", name)),
    };
    let selected: Vec<&'static str> = names.iter().map(select).collect::<Result<_>>()?;
    Ok((!selected.is_empty()).then_some(selected))
}

/// The field and the operator that a filter's parameter names.
fn parse_filter_name<F>(
    resource: &'static Resource<F>,
    parameter: &str,
) -> Result<(&'static ResourceField<F>, FilterOperator)> {
    if let Some(field) = resource.field(parameter) {
        return Ok((field, FilterOperator::Eq));
    }
    let Some((name, operator)) = parameter.rsplit_once("__") else {
        return Err(Error::invalid(
            quote(parameter),
            "there is no parameter and no field of this name",
        ));
    };
    let field = resource.field(name);
    let field = field.ok_or_else(|| unknown_field(&quote(parameter), name))?;
    let operator = FilterOperator::from_name(operator).ok_or_else(|| {
        let names = FilterOperator::NAMES.join(", ");
        let rule = format!("one of {names}, got {}", quote(operator));
        Error::invalid(quote(parameter), rule)
    })?;
    Ok((field, operator))
}

/// As in Buildbot, a field that is not selected can be neither filtered nor ordered by.
fn check_selected<F>(
    selected: Option<&[&str]>,
    field: &ResourceField<F>,
    parameter: &str,
) -> Result<()> {
    if selected.is_none_or(|fields| fields.contains(&field.name)) {
        return Ok(());
    }
    let rule = format!(
        "{} is not among the fields that `field` selects",
        field.name
    );
    Err(Error::invalid(parameter, rule))
}

/// The order that was asked for, most significant key first, made total. A repeated key changes
/// nothing.
fn parse_order<F: Copy + PartialEq>(
    resource: &'static Resource<F>,
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
        let field = resource.field(name);
        let field = field.ok_or_else(|| unknown_field("order", name))?;
        check_selected(selected, field, "order")?;
        if let Some(field) = field.store_field {
            add(field, direction);
        }
    }
    // The unique key last, so that pages neither overlap nor skip rows.
    for field in resource.order {
        add(*field, Direction::Asc);
    }
    Ok(order)
}
