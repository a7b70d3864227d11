//! The REST API: recorded requests of a real Buildbot, the query language against a plain
//! reference, and HTTP behaviour.

mod differences;
mod hostile;
mod http;
mod openapi;
mod parameters;
mod query_language;
mod recordings;

use std::path::{Path, PathBuf};

use reqwest::{Method, Response, header::CONTENT_TYPE};
use serde_json::Value;

use crate::support::server::Server;

pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// A client of one server.
struct Rest {
    http: reqwest::Client,
    base: String,
}

impl Rest {
    fn of(server: &Server) -> Self {
        Self {
            http: reqwest::Client::new(),
            base: format!("http://{}", server.address),
        }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// The status and the JSON of a response.
    async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.send(Method::GET, path, &[]).await;
        let media = response.headers()[CONTENT_TYPE].to_str().unwrap();
        assert!(media.starts_with("application/json"), "{path}: {media}");
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// The body of a successful response.
    async fn found(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// The status and the message of an error.
    async fn refused(&self, path: &str) -> (u16, String) {
        let (status, body) = self.get(path).await;
        assert_ne!(status, 200, "{path}: {body}");
        let text = body["error"].as_str().unwrap().to_owned();
        assert_eq!(body.as_object().unwrap().len(), 1, "{path}: {body}");
        assert!(!text.is_empty(), "{path}");
        for inside in ["SELECT", "sqlx", "SQL", "steps.", "builds.", "src/"] {
            assert!(!text.contains(inside), "{path}: {text}");
        }
        (status, text)
    }
}
