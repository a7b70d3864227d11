//! Memory follows what a caller may hold: the server counts what it holds, refuses new work beyond
//! its budget, and gets everything back.

use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};

use crate::support::{server::Server, wait_until};

mod answers;
mod budget;
mod messages;
mod per_caller;
mod refused_callers;

/// Checks that nothing is held any more, and that the server answers.
async fn check_returned(server: &Server) {
    wait_until(async || server.handle.memory_held() == 0).await;
    let data = server.client().data("{ __typename }", json!({})).await;
    assert_eq!(data["__typename"], "Query");
}

/// A query whose answer has more than a million bytes, from an empty database.
fn long_answer() -> Value {
    let fields = (0..34).map(|n| format!("a{n}: _service {{ sdl }} "));
    json!({ "query": format!("{{ {} }}", fields.collect::<String>()) })
}

/// Requests many long answers with this header over one connection, and reads none of them.
async fn leave_unread(server: &Server, header: &str) -> TcpStream {
    let tcp = TcpSocket::new_v4().unwrap();
    tcp.set_recv_buffer_size(4_096).unwrap();
    let mut tcp = tcp.connect(server.address).await.unwrap();
    let body = long_answer().to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         {header}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // Several answers, since one may shrink to what the buffers hold.
    for _ in 0..20 {
        tcp.write_all(request.as_bytes()).await.unwrap();
    }
    tcp
}
