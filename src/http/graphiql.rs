//! The GraphQL IDE at `/graphiql`. `scripts/graphiql` makes its gzipped files.

use std::sync::LazyLock;

use axum::{Router, extract::Path, http::HeaderMap, response::Redirect, routing::get};

use crate::http::assets::{Assets, CSS, HTML, JS, SVG, TEXT, embedded};

/// Where the IDE is.
pub(crate) const PATH: &str = "/graphiql";

/// The content security policy. The hash is that of an inline style that GraphiQL inserts to keep
/// the page from scrolling behind a dialog or a menu.
const POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'sha256-nzTgYzXYDNe6BAHiiI7NNlfK8n/auuOAhh2t92YvuXo='; \
    img-src 'self' data:; font-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    Assets::new(
        POLICY,
        vec![
            embedded!(plain "graphiql" "index.html", HTML),
            embedded!(plain "graphiql" "page.css", CSS),
            embedded!(plain "graphiql" "start.js", JS),
            embedded!(plain "graphiql" "favicon.svg", SVG),
            embedded!(plain "graphiql" "LICENSES.txt", TEXT),
            embedded!(gzipped "graphiql" "graphiql.min.css", CSS),
            embedded!(gzipped "graphiql" "graphiql.min.js", JS),
            embedded!(gzipped "graphiql" "react.production.min.js", JS),
            embedded!(gzipped "graphiql" "react-dom.production.min.js", JS),
        ],
    )
});

/// The IDE's routes. The same path with a slash at its end redirects to it.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route(
            PATH,
            get(async |headers: HeaderMap| ASSETS.respond("index.html", &headers)),
        )
        .route("/graphiql/", get(async || Redirect::temporary(PATH)))
        .route(
            "/graphiql/{file}",
            get(async |Path(file): Path<String>, headers: HeaderMap| {
                ASSETS.respond(&file, &headers)
            }),
        )
}

/// What is at the root where the IDE is the only page: `/` redirects to it.
pub(crate) fn root_routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(async || Redirect::temporary(PATH)))
        // Browsers ask for it beside a page that names no icon, such as a JSON answer.
        .route(
            "/favicon.ico",
            get(async |headers: HeaderMap| ASSETS.respond("favicon.svg", &headers)),
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::assets::tests::assert_whole;

    #[test]
    fn gzip_is_announced_where_the_bytes_are_gzip() {
        assert_whole(&ASSETS);
    }
}
