//! Over TLS: a certificate of one's own is trusted by the variable `SSL_CERT_FILE`.

use std::fs;

use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::Watch;
use crate::support::{process::command, server::Server};

#[tokio::test]
async fn a_certificate_must_be_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (file("cert.pem"), file("key.pem"));
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(&certificate, cert.pem()).unwrap();
    fs::write(&key, signing_key.serialize_pem()).unwrap();
    let tls = ["--tls-cert", &*certificate, "--tls-key", &key];
    let server = Server::with_flags(&[&["--anonymous", "read"], &tls[..]].concat()).await;
    let url = format!("https://{}", server.address);
    let plain = server.peer(&["--anonymous", "write"]).await;
    plain.client().add_build("b").await;
    let mut trusting = command();
    trusting
        .args(["watch", &*url])
        .env("SSL_CERT_FILE", &certificate);
    Watch::spawn(&mut trusting)
        .expect("b 1 - - SNAPSHOT - created")
        .await;
    let mut other = Watch::spawn(command().args(["watch", &*url]));
    let said = other.expect_log("TLS: ").await;
    assert!(said.contains("certificate"), "{said}");
    assert_eq!(other.status().await, Some(1));
}
