//! The page at `/`: builders, builds and steps for people to look at. It is made of `web/`.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
    routing::get,
};

use crate::http::assets::{Asset, Assets, CSS, HTML, JS, JSON, SVG, TEXT, embedded};

/// The content security policy: nothing inline, and nothing of another host. HTML logs are shown in
/// frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; frame-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const INDEX: &str = include_str!("../../assets/page/index.html");

/// Tells the page where the IDE is; it is left out where there is none.
const GRAPHIQL: &str = r#"<meta name="graphiql" content="/graphiql">"#;

/// The page's views. What is in a view is asked for by the page itself, so the server answers all
/// of them with the same file.
const VIEWS: [&str; 6] = [
    "/",
    "/now",
    "/builders",
    "/builders/{name}",
    "/builders/{name}/builds/{number}",
    "/builders/{name}/builds/{number}/{*step}",
];

/// The page's routes.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(has_graphiql: bool) -> Router<S> {
    let views = VIEWS.into_iter();
    let routes = views.fold(Router::new(), |routes, view| routes.route(view, get(index)));
    routes
        .route("/page/{file}", get(file))
        // Browsers ask for it beside a page that names no icon, such as a JSON answer.
        .route("/favicon.ico", get(icon))
        .with_state(Arc::new(assets(has_graphiql)))
}

fn assets(has_graphiql: bool) -> Assets {
    let index = if has_graphiql {
        INDEX.to_owned()
    } else {
        INDEX.replace(GRAPHIQL, "")
    };
    Assets::new(
        POLICY,
        vec![
            Asset::plain("index.html", HTML, index),
            embedded!(gzipped "page" "page.js", JS),
            embedded!(gzipped "page" "page.css", CSS),
            embedded!(gzipped "page" "chart.js", JS),
            embedded!(plain "page" "icon.svg", SVG),
            // What it asks, for `--documents`.
            embedded!(plain "page" "documents.json", JSON),
            embedded!(plain "page" "LICENSES.txt", TEXT),
        ],
    )
}

async fn index(State(assets): State<Arc<Assets>>, headers: HeaderMap) -> Response {
    assets.respond("index.html", &headers)
}

async fn icon(State(assets): State<Arc<Assets>>, headers: HeaderMap) -> Response {
    assets.respond("icon.svg", &headers)
}

async fn file(
    State(assets): State<Arc<Assets>>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Response {
    assets.respond(&file, &headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::assets::tests::assert_whole;

    #[test]
    fn gzip_is_announced_where_the_bytes_are_gzip() {
        assert_whole(&assets(true));
    }

    /// Otherwise the page would lead to an IDE that is not there.
    #[test]
    fn the_line_that_names_graphiql_is_there_to_be_removed() {
        assert_eq!(INDEX.matches(GRAPHIQL).count(), 1);
        assert_eq!(INDEX.matches("graphiql").count(), 2);
    }
}
