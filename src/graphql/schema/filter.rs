//! Filter inputs, one file for each noun, and their translation into the plain values of
//! `domain::filter`.

pub(crate) mod build;
pub(crate) mod builder;
pub(crate) mod conditions;
pub(crate) mod event;
pub(crate) mod operators;
pub(crate) mod step;
pub(crate) mod where_input;
