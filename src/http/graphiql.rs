//! The GraphQL IDE at `/graphiql`, from files in the binary, so that it works offline.
//! `scripts/graphiql` makes the gzipped files.

use std::sync::LazyLock;

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};

/// Where the IDE is.
pub(crate) const PATH: &str = "/graphiql";

/// The IDE's routes; `/` and the same path with a slash at its end redirect to it.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(async || Redirect::temporary(PATH)))
        .route(
            PATH,
            get(async |headers: HeaderMap| respond("index.html", &headers)),
        )
        .route("/graphiql/", get(async || Redirect::temporary(PATH)))
        // Browsers ask for it beside a page that names no icon, such as a JSON answer.
        .route(
            "/favicon.ico",
            get(async |headers: HeaderMap| respond("favicon.svg", &headers)),
        )
        .route(
            "/graphiql/{file}",
            get(async |Path(file): Path<String>, headers: HeaderMap| respond(&file, &headers)),
        )
}

struct Asset {
    name: &'static str,
    content_type: &'static str,
    gzipped: bool,
    body: &'static [u8],
}

/// The page's content security policy. The hash is that of an inline style that GraphiQL inserts
/// to keep the page from scrolling behind a dialog or a menu.
const POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'sha256-nzTgYzXYDNe6BAHiiI7NNlfK8n/auuOAhh2t92YvuXo='; \
    img-src 'self' data:; font-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

macro_rules! plain {
    ($name:literal, $content_type:ident) => {
        Asset {
            name: $name,
            content_type: $content_type,
            gzipped: false,
            body: include_bytes!(concat!("../../assets/graphiql/", $name)),
        }
    };
}

macro_rules! gzipped {
    ($name:literal, $content_type:ident) => {
        Asset {
            name: $name,
            content_type: $content_type,
            gzipped: true,
            body: include_bytes!(concat!("../../assets/graphiql/", $name, ".gz")),
        }
    };
}

static ASSETS: [Asset; 9] = [
    plain!("index.html", HTML),
    plain!("page.css", CSS),
    plain!("start.js", JS),
    plain!("favicon.svg", SVG),
    plain!("LICENSES.txt", TEXT),
    gzipped!("graphiql.min.css", CSS),
    gzipped!("graphiql.min.js", JS),
    gzipped!("react.production.min.js", JS),
    gzipped!("react-dom.production.min.js", JS),
];

static ETAGS: LazyLock<[String; ASSETS.len()]> =
    LazyLock::new(|| ASSETS.each_ref().map(|asset| etag(asset.body)));

fn respond(name: &str, request: &HeaderMap) -> Response {
    let Some((asset, etag)) = ASSETS
        .iter()
        .zip(ETAGS.iter())
        .find(|(asset, _)| asset.name == name)
    else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // `no-cache` lets a browser keep the file, but makes it revalidate on each use.
    // A browser replaces stored headers by those of a 304, so a 304 carries the policy too.
    let caching = [
        (header::ETAG, etag.as_str()),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    if is_known(etag, request) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let content = [(header::CONTENT_TYPE, asset.content_type)];
    let mut response = (caching, content, asset.body).into_response();
    if asset.gzipped {
        // Accept-Encoding is not read: only browsers come here, and every browser takes gzip.
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Returns whether the browser has this version of the file.
fn is_known(etag: &str, request: &HeaderMap) -> bool {
    let known = request.get_all(header::IF_NONE_MATCH);
    known
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        // `If-None-Match` compares weakly: a proxy that compresses may weaken the tag.
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
}

/// Hashes with FNV-1a, which is not seeded, so all servers of one build give a file the same tag.
fn etag(body: &[u8]) -> String {
    let hash = body.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("\"{hash:016x}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get_asset(name: &str, if_none_match: Option<&str>) -> Response {
        let mut request = HeaderMap::new();
        if let Some(value) = if_none_match {
            request.insert(
                header::IF_NONE_MATCH,
                value.parse().expect("a header value"),
            );
        }
        respond(name, &request)
    }

    #[test]
    fn gzip_is_announced_where_the_bytes_are_gzip() {
        for asset in &ASSETS {
            let response = get_asset(asset.name, None);
            assert_eq!(response.status(), StatusCode::OK);
            let announced = response.headers().contains_key(header::CONTENT_ENCODING);
            assert_eq!(
                announced,
                asset.body.starts_with(&[0x1f, 0x8b]),
                "{}",
                asset.name
            );
        }
    }

    #[test]
    fn a_file_the_browser_has_is_not_sent_again() {
        let etag = get_asset("start.js", None).headers()[header::ETAG]
            .to_str()
            .expect("text")
            .to_owned();
        for known in [
            etag.clone(),
            format!("W/{etag}"),
            format!("\"old\", {etag}"),
            "*".to_owned(),
        ] {
            let response = get_asset("start.js", Some(&known));
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(response.headers()[header::ETAG], etag);
            assert_eq!(response.headers()[header::CONTENT_SECURITY_POLICY], POLICY);
        }
        assert_eq!(
            get_asset("start.js", Some("\"old\"")).status(),
            StatusCode::OK
        );
    }

    #[test]
    fn other_files_are_not_found() {
        for name in ["", "nothing.js", "../Cargo.toml", "start.js.gz"] {
            assert_eq!(
                get_asset(name, None).status(),
                StatusCode::NOT_FOUND,
                "{name}"
            );
        }
    }
}
