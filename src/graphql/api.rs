//! The GraphQL API of a server: every transport prepares and runs its operations through it.

use std::{ops::Deref, sync::Arc};

use crate::{
    app::App,
    auth::request_context::RequestContext,
    domain::command_error::CommandError,
    graphql::{
        execute::{context::SubgraphSdl, errors::ErrorSigner},
        prepare::{
            documents::Documents, trusted_documents::register_documents, type_system::TypeSystem,
        },
        schema::{GraphqlSchema, build_schema, federation::subgraph_sdl, sdl_of},
        subscribe::shared_subscription::SharedSubscriptions,
    },
    service::log_tail::LogTails,
};

/// The API. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api(Arc<ApiState>);

/// What every request of a server shares.
pub(crate) struct ApiState {
    pub(crate) app: App,
    pub(crate) schema: GraphqlSchema,
    pub(crate) types: TypeSystem,
    pub(crate) subgraph_sdl: SubgraphSdl,
    pub(crate) documents: Documents,
    pub(crate) subscriptions: SharedSubscriptions,
}

impl Deref for Api {
    type Target = ApiState;

    fn deref(&self) -> &ApiState {
        &self.0
    }
}

impl Api {
    /// Builds the API of a server. Fails if a trusted document cannot be read or run.
    pub(crate) fn new(app: App) -> Result<Self, CommandError> {
        let limits = &app.config.limit;
        let schema = build_schema()
            .data(app.clone())
            .data(LogTails::default())
            .finish();
        let sdl = sdl_of(&schema);
        let types = TypeSystem::read(&sdl)?;
        let mut documents = Documents::new(types.clone(), limits.clone());
        register_documents(&mut documents, limits)?;
        Ok(Self(Arc::new(ApiState {
            app,
            schema,
            types,
            subgraph_sdl: SubgraphSdl(subgraph_sdl(&sdl).into()),
            documents,
            subscriptions: SharedSubscriptions::default(),
        })))
    }

    /// The server that this API belongs to.
    pub(crate) fn app(&self) -> &App {
        &self.app
    }

    /// The signer for the errors of one request.
    pub(crate) fn error_signer(&self, context: &RequestContext) -> ErrorSigner {
        ErrorSigner {
            request_id: context.request_id.clone(),
            metrics: self.app.metrics.clone(),
        }
    }
}
