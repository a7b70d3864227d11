//! Memory follows what a caller may hold: the server counts what it holds, refuses new work beyond
//! its budget, and gets everything back.

use serde_json::{Value, json};

use crate::support::{server::Server, wait_until};

mod answers;
mod budget;
mod messages;
mod refused_callers;

/// Checks that nothing is held any more, and that the server answers.
async fn check_returned(server: &Server) {
    wait_until(async || server.handle.memory_held() == 0).await;
    let data = server.client().data("{ __typename }", json!({})).await;
    assert_eq!(data["__typename"], "Query");
}

/// A query whose answer has more than a million bytes, from an empty database.
fn long_answer() -> Value {
    let fields = (0..60).map(|n| format!("a{n}: _service {{ sdl }} "));
    json!({ "query": format!("{{ {} }}", fields.collect::<String>()) })
}
