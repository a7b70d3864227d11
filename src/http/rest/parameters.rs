//! The parameters of a request, decoded but not yet interpreted.

use std::collections::BTreeMap;

use crate::{
    domain::error::{Error, Result},
    http::{
        query_string::decode,
        rest::{
            operand::Operand,
            response::{RestError, quote},
        },
    },
};

/// The most parameters that one request may have.
const MAX_PARAMETERS: usize = 1_000;
/// The parameters that are not filters.
pub(crate) const CONTROLS: [&str; 5] = ["field", "order", "limit", "offset", "property"];

/// The parameters of a request by name, each with its values in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters(BTreeMap<String, Vec<String>>);

impl Parameters {
    /// Splits a query on `&` and `;`. As in Buildbot, a part without `=` is ignored.
    ///
    /// # Errors
    /// 400 for too many parameters, and for what is not UTF-8.
    pub(crate) fn parse(query: &str) -> Result<Self, RestError> {
        let pairs = || query.split(['&', ';']).filter_map(|p| p.split_once('='));
        let number = pairs().count();
        if number > MAX_PARAMETERS {
            return Err(RestError::bad_request(format!(
                "at most {MAX_PARAMETERS} parameters, got {number}"
            )));
        }
        let mut parameters = Self::default();
        for (name, value) in pairs() {
            let name = decode(name)
                .map_err(|_| RestError::bad_request("a parameter's name is not UTF-8"))?;
            let value = decode(value).map_err(|_| {
                RestError::bad_request(format!("{}: the value is not UTF-8", quote(&name)))
            })?;
            parameters.0.entry(name).or_default().push(value);
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

    /// The parameters that are filters, each with its values.
    pub(crate) fn filters(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0
            .iter()
            .map(|(name, values)| (&**name, &**values))
            .filter(|(name, _)| !CONTROLS.contains(name))
    }

    /// The values of one parameter.
    pub(crate) fn values(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Parses the first value of a parameter as an integer from 0 on.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>> {
        let Some(text) = self.values(name).first() else {
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
                format!("an integer from 0 on, got {}", quote(text)),
            )),
        }
    }
}
