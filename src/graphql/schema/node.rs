//! The interface Node, and the opaque ids by which `node(id:)` finds any object.

use async_graphql::{Context, ID, Interface};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;

use crate::{
    domain::{
        error::{Error, Result},
        id::{BuildId, BuilderId, LogId, StepId},
    },
    graphql::{
        execute::context::ContextExt,
        schema::{build::Build, builder::Builder, log::Log, step::Step},
    },
};

/// The most IDs that `nodes` takes.
const MAX_IDS: usize = 500;

/// An object with an ID of its own.
#[derive(Interface)]
#[graphql(field(
    name = "id",
    ty = "ID",
    desc = "The ID of this object among all objects."
))]
pub(crate) enum Node {
    Builder(Builder),
    Build(Build),
    Step(Step),
    Log(Log),
}

/// The object that an ID names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeId {
    Builder(BuilderId),
    Build(BuildId),
    Step(StepId),
    Log(LogId),
}

impl NodeId {
    /// The opaque text of the ID.
    pub(crate) fn encode(self) -> ID {
        let plain = match self {
            Self::Builder(id) => format!("Builder:{id}"),
            Self::Build(id) => format!("Build:{id}"),
            Self::Step(id) => format!("Step:{id}"),
            Self::Log(id) => format!("Log:{id}"),
        };
        URL_SAFE_NO_PAD.encode(plain).into()
    }

    /// Parses an opaque text; `None` if it is not an ID that a server makes.
    pub(crate) fn decode(id: &str) -> Option<Self> {
        let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(id).ok()?).ok()?;
        let (kind, number) = plain.split_once(':')?;
        let number = number.parse().ok()?;
        let node = match kind {
            "Builder" => Self::Builder(BuilderId(number)),
            "Build" => Self::Build(BuildId(number)),
            "Step" => Self::Step(StepId(number)),
            "Log" => Self::Log(LogId(number)),
            _ => return None,
        };
        // An object has one ID: clients compare them as texts.
        (*node.encode() == *id).then_some(node)
    }
}

/// Finds the object with the ID that an argument gives. Fails if the ID is not one that a server
/// makes.
pub(crate) async fn find(ctx: &Context<'_>, argument: &str, id: &str) -> Result<Option<Node>> {
    let refuse = || Error::invalid(argument, format!("an ID that this server gave, got {id:?}"));
    load(ctx, NodeId::decode(id).ok_or_else(refuse)?).await
}

/// Finds the objects with these IDs, in their order: one statement for each type. Fails if there
/// are too many.
pub(crate) async fn find_all(ctx: &Context<'_>, ids: &[ID]) -> Result<Vec<Option<Result<Node>>>> {
    let count = ids.len();
    if count > MAX_IDS {
        return Err(Error::invalid(
            "ids",
            format!("at most {MAX_IDS} IDs, got {count}"),
        ));
    }
    let found = ids.iter().map(|id| find(ctx, "ids", id));
    Ok(join_all(found)
        .await
        .into_iter()
        .map(Result::transpose)
        .collect())
}

/// Loads an object. Objects that are loaded at the same time share a statement for each type.
pub(crate) async fn load(ctx: &Context<'_>, id: NodeId) -> Result<Option<Node>> {
    let loaders = ctx.loaders();
    Ok(match id {
        NodeId::Builder(id) => loaders.builder(id).await?.map(Builder).map(Node::Builder),
        NodeId::Build(id) => loaders.build(id).await?.map(Build).map(Node::Build),
        NodeId::Step(id) => loaders.step(id).await?.map(Step).map(Node::Step),
        NodeId::Log(id) => loaders.log(id).await?.map(Log).map(Node::Log),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back() {
        for id in [
            NodeId::Builder(BuilderId(1)),
            NodeId::Build(BuildId(-2)),
            NodeId::Step(StepId(3)),
            NodeId::Log(LogId(4)),
        ] {
            assert_eq!(NodeId::decode(&id.encode()), Some(id));
        }
        for bad in ["", "1", "Step:1", "U3RlcDp4", "///"] {
            assert_eq!(NodeId::decode(bad), None, "{bad}");
        }
        for plain in ["Step:+1", "Step:01", "Step:-0", "Step: 1"] {
            let other = URL_SAFE_NO_PAD.encode(plain);
            assert_eq!(NodeId::decode(&other), None, "{plain}");
        }
    }
}
