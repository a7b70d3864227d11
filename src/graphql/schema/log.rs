//! The GraphQL type Log: the fields of its row, and its step.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object};

use crate::{
    domain::{
        error::{Error, Result},
        log,
    },
    graphql::{
        execute::context::ContextExt,
        schema::{
            node,
            plain::{Plain, name_of, plain_leaf, plain_object},
            step::Step,
            text::Text,
        },
    },
    store::log::Model,
};

/// What a log's lines are.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "log::LogType")]
pub(crate) enum LogType {
    /// Lines of a program's output, each of a stream.
    Stdio,
    /// Plain text.
    Text,
    /// HTML.
    Html,
    /// The lines were dropped; `numLines` says how many there were.
    Deleted,
}

/// Where a line comes from.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "log::LogStream")]
pub(crate) enum LogStream {
    /// The program's standard output; also every line of a log that is not of type STDIO.
    Stdout,
    /// The program's standard error.
    Stderr,
    /// What Buildbot itself says about the program.
    Header,
}

/// A log of a step: lines of text, numbered from 0.
#[derive(Clone)]
pub(crate) struct Log(pub(crate) Arc<Model>);

impl From<Arc<Model>> for Log {
    fn from(row: Arc<Model>) -> Self {
        Self(row)
    }
}

/// A log of a step: lines of text, numbered from 0.
#[Object]
impl Log {
    /// The ID of this object among all objects.
    pub(crate) async fn id(&self) -> ID {
        node::NodeId::Log(self.0.id).encode()
    }

    /// The unique ID of this log.
    async fn logid(&self) -> i32 {
        self.0.id.0
    }

    /// The step that this log belongs to.
    async fn stepid(&self) -> i32 {
        self.0.stepid.0
    }

    /// The step that this log belongs to.
    async fn step(&self, ctx: &Context<'_>) -> Result<Plain<Step>> {
        let id = self.0.stepid;
        let step = ctx.loaders().step(id).await?;
        step.map(|row| Plain(Step(row)))
            .ok_or_else(|| Error::not_found("step", id))
    }

    /// What people call it.
    async fn name(&self) -> Text<&str> {
        Text(&self.0.name)
    }

    /// An identifier of at most 50 characters, unique within the step.
    async fn slug(&self) -> Text<&str> {
        Text(&self.0.slug)
    }

    /// What the lines are.
    #[graphql(name = "type")]
    async fn log_type(&self) -> LogType {
        self.0.log_type().into()
    }

    /// True once no line will follow.
    async fn complete(&self) -> bool {
        self.0.is_complete()
    }

    /// How many lines there are.
    async fn num_lines(&self) -> i32 {
        self.0.num_lines
    }
}

plain_leaf! {
    [] LogType, |value, out| out.value(name_of(*value));
}

plain_leaf! {
    [] LogStream, |value, out| out.value(name_of(*value));
}

plain_object! {
    [] Log, {
        "id" => id,
        "logid" => logid,
        "stepid" => stepid,
        "name" => name,
        "slug" => slug,
        "type" => log_type,
        "complete" => complete,
        "numLines" => num_lines,
    }
}
