//! A GraphQL client over HTTP.

use std::net::SocketAddr;

use serde_json::{Value, json};

/// Posts operations to one server.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            http: reqwest::Client::new(),
            url: format!("http://{address}/graphql"),
        }
    }

    /// Gives all requests this id.
    pub(crate) fn with_request_id(self, name: &str) -> Self {
        self.with("x-request-id", name)
    }

    /// A client that sends this token.
    pub(crate) fn with_token(address: SocketAddr, token: &str) -> Self {
        Self::new(address).with("authorization", &format!("Bearer {token}"))
    }

    /// Adds this header to all requests.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        let headers = [(name.parse().unwrap(), value.parse().unwrap())];
        let builder = reqwest::Client::builder().default_headers(headers.into_iter().collect());
        self.http = builder.build().unwrap();
        self
    }

    /// The whole response to an operation.
    pub(crate) async fn execute(&self, query: &str, variables: Value) -> Value {
        self.try_execute(query, variables).await.unwrap()
    }

    /// The whole response, or an error, because a server may be killed meanwhile.
    pub(crate) async fn try_execute(
        &self,
        query: &str,
        variables: Value,
    ) -> reqwest::Result<Value> {
        let body = json!({ "query": query, "variables": variables });
        self.http
            .post(&self.url)
            .json(&body)
            .send()
            .await?
            .json()
            .await
    }

    /// The whole response to a query as text, with its keys in the order in which they were sent.
    pub(crate) async fn text(&self, query: &str) -> String {
        let body = json!({ "query": query });
        let response = self.http.post(&self.url).json(&body).send().await;
        response.unwrap().text().await.unwrap()
    }

    /// The data of an operation that must succeed.
    pub(crate) async fn data(&self, query: &str, variables: Value) -> Value {
        let mut response = self.execute(query, variables).await;
        assert!(response.get("errors").is_none(), "{query}\n{response:#}");
        response["data"].take()
    }

    /// The code and message of the single error of an operation that must fail.
    pub(crate) async fn error(&self, query: &str, variables: Value) -> (String, String) {
        let response = self.execute(query, variables).await;
        let errors = response["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("no error: {query}\n{response:#}"));
        assert_eq!(errors.len(), 1, "{query}\n{response:#}");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (
            text(&errors[0]["extensions"]["code"]),
            text(&errors[0]["message"]),
        )
    }

    /// Adds a build to the builder with this name, and returns its id.
    pub(crate) async fn add_build(&self, builder: &str) -> i64 {
        let found = self
            .data(
                "mutation($n: String!) { findBuilder(name: $n) { builderid } }",
                json!({ "n": builder }),
            )
            .await;
        let added = self
            .data(
                "mutation($b: Int!) { addBuild(builderid: $b) { build { buildid } } }",
                json!({ "b": found["findBuilder"]["builderid"] }),
            )
            .await;
        added["addBuild"]["build"]["buildid"].as_i64().unwrap()
    }

    /// Adds a step to a build, and returns its id and the cursor of its event.
    pub(crate) async fn new_step(&self, buildid: i64, name: &str) -> (i64, String) {
        let added = self
            .data(
                "mutation($b: Int!, $n: String!) { newStep(buildid: $b, name: $n) { cursor step { stepid } } }",
                json!({ "b": buildid, "n": name }),
            )
            .await;
        let payload = &added["newStep"];
        (
            payload["step"]["stepid"].as_i64().unwrap(),
            payload["cursor"].as_str().unwrap().to_owned(),
        )
    }

    /// Sets a step's state string, and returns the cursor of its event.
    pub(crate) async fn set_state(&self, stepid: i64, text: &str) -> String {
        let set = self
            .data(
                "mutation($s: Int!, $t: String!) { setStepStateString(stepid: $s, stateString: $t) { cursor } }",
                json!({ "s": stepid, "t": text }),
            )
            .await;
        set["setStepStateString"]["cursor"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}
