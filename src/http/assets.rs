//! Files in the binary for browsers, so that pages work offline: who asks again for a file that it
//! has gets 304.

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const CSS: &str = "text/css; charset=utf-8";
pub(crate) const JS: &str = "text/javascript; charset=utf-8";
pub(crate) const JSON: &str = "application/json";
pub(crate) const SVG: &str = "image/svg+xml";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

/// A file of `assets/`, as it is or gzipped there.
macro_rules! embedded {
    (plain $folder:literal $name:literal, $content_type:expr) => {
        $crate::http::assets::Asset::plain(
            $name,
            $content_type,
            &include_bytes!(concat!("../../assets/", $folder, "/", $name))[..],
        )
    };
    (gzipped $folder:literal $name:literal, $content_type:expr) => {
        $crate::http::assets::Asset::gzipped(
            $name,
            $content_type,
            &include_bytes!(concat!("../../assets/", $folder, "/", $name, ".gz"))[..],
        )
    };
}
pub(crate) use embedded;

/// A file, with the tag of its version.
pub(crate) struct Asset {
    name: &'static str,
    content_type: &'static str,
    is_gzipped: bool,
    body: Bytes,
    etag: String,
}

impl Asset {
    pub(crate) fn plain(
        name: &'static str,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Self {
        let body = body.into();
        Self {
            name,
            content_type,
            is_gzipped: false,
            etag: etag(&body),
            body,
        }
    }

    /// A file whose bytes are gzip.
    pub(crate) fn gzipped(
        name: &'static str,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Self {
        Self {
            is_gzipped: true,
            ..Self::plain(name, content_type, body)
        }
    }
}

/// The files of one page, under one content security policy.
pub(crate) struct Assets {
    policy: &'static str,
    files: Vec<Asset>,
}

impl Assets {
    pub(crate) fn new(policy: &'static str, files: Vec<Asset>) -> Self {
        Self { policy, files }
    }

    /// Answers with the file of this name, or 404.
    pub(crate) fn respond(&self, name: &str, request: &HeaderMap) -> Response {
        let Some(asset) = self.files.iter().find(|asset| asset.name == name) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        // `no-cache` lets a browser keep the file, but makes it revalidate on each use.
        // A browser replaces stored headers by those of a 304, so a 304 carries the policy too.
        let caching = [
            (header::ETAG, asset.etag.as_str()),
            (header::CACHE_CONTROL, "no-cache"),
            (header::CONTENT_SECURITY_POLICY, self.policy),
        ];
        if is_known(&asset.etag, request) {
            return (StatusCode::NOT_MODIFIED, caching).into_response();
        }
        let content = [(header::CONTENT_TYPE, asset.content_type)];
        let mut response = (caching, content, asset.body.clone()).into_response();
        if asset.is_gzipped {
            // Accept-Encoding is not read: only browsers come here, and every browser takes gzip.
            response
                .headers_mut()
                .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
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
pub(crate) mod tests {
    use super::*;

    fn get_asset(assets: &Assets, name: &str, if_none_match: Option<&str>) -> Response {
        let mut request = HeaderMap::new();
        if let Some(value) = if_none_match {
            let value = value.parse().expect("a header value");
            request.insert(header::IF_NONE_MATCH, value);
        }
        assets.respond(name, &request)
    }

    /// Checks that each file is what its headers say.
    pub(crate) fn assert_whole(assets: &Assets) {
        for asset in &assets.files {
            let response = get_asset(assets, asset.name, None);
            assert_eq!(response.status(), StatusCode::OK);
            let announced = response.headers().contains_key(header::CONTENT_ENCODING);
            let is_gzip = asset.body.starts_with(&[0x1f, 0x8b]);
            assert_eq!(announced, is_gzip, "{}", asset.name);
        }
    }

    fn some_file() -> Assets {
        Assets::new("policy", vec![Asset::plain("start.js", JS, "alert(1)")])
    }

    #[test]
    fn a_file_the_browser_has_is_not_sent_again() {
        let assets = some_file();
        let etag = get_asset(&assets, "start.js", None).headers()[header::ETAG]
            .to_str()
            .expect("text")
            .to_owned();
        for known in [
            etag.clone(),
            format!("W/{etag}"),
            format!("\"old\", {etag}"),
            "*".to_owned(),
        ] {
            let response = get_asset(&assets, "start.js", Some(&known));
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(response.headers()[header::ETAG], etag);
            let policy = &response.headers()[header::CONTENT_SECURITY_POLICY];
            assert_eq!(policy, "policy");
        }
        let response = get_asset(&assets, "start.js", Some("\"old\""));
        assert_eq!(response.status(), StatusCode::OK);
    }

    #[test]
    fn other_files_are_not_found() {
        let assets = some_file();
        for name in ["", "nothing.js", "../Cargo.toml", "start.js.gz"] {
            let response = get_asset(&assets, name, None);
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{name}");
        }
    }
}
