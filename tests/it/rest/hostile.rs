//! Hostile requests: too much, too large, not text, or meant to do harm.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::Rest;
use crate::filter::seed::seeded;

#[tokio::test]
async fn hostile_requests_are_refused() {
    let server = seeded().await;
    let rest = Rest::of(&server);
    let many =
        |n: usize, parameter: &str| format!("/api/v2/builds?{}", vec![parameter; n].join("&"));
    let numbers = |n: usize, of: &str| {
        let each: Vec<String> = (0..n).map(|i| format!("{of}={i}")).collect();
        format!("/api/v2/builds?{}", each.join("&"))
    };
    for path in [
        many(10_000, "a=1"),
        many(1_001, "buildid=1"),
        numbers(101, "number__contains"),
    ] {
        let (status, text) = rest.refused(&path).await;
        assert_eq!(status, 400);
        assert!(text.len() < 400, "{text}");
    }
    for path in [
        many(1_000, "buildid__lt=7"),
        many(1_000, "order=-number"),
        many(1_000, "field=number"),
        many(5_000, ""),
        numbers(900, "buildid__in"),
        numbers(900, "buildid__notin"),
        numbers(900, "buildid__gt"),
        numbers(100, "number__contains"),
        numbers(900, "property"),
    ] {
        rest.found(&path).await;
    }
    for id in [
        "99999999999999999999",
        "-99999999999999999999",
        "2147483648",
        "9223372036854775807",
        "0",
        "-0",
        "+1x",
    ] {
        for path in [
            "steps/{}",
            "builds/{}",
            "builders/{}",
            "builds/1/steps/{}",
            "builders/{}/builds/1",
            "builders/1/builds/{}",
        ] {
            let path = format!("/api/v2/{}", path.replace("{}", id));
            assert_eq!(rest.refused(&path).await.0, 404, "{path}");
        }
        assert_eq!(
            rest.found(&format!("/api/v2/builders/{id}/builds")).await["meta"]["total"],
            0
        );
    }
    let long = "x".repeat(20_000);
    for path in [
        format!("builders/{long}"),
        "builders/%00".into(),
        "builds/1/steps/a%00b".into(),
        "builders/%252F".into(),
    ] {
        let (status, text) = rest.refused(&format!("/api/v2/{path}")).await;
        assert_eq!(status, 404, "{path}");
        assert!(text.len() < 30_000);
    }
    for path in [
        "builders/%FF",
        "builds/1/steps/%C3",
        "%ED%A0%80",
        "builds?state_string=%ED%A0%80",
    ] {
        assert_eq!(
            rest.refused(&format!("/api/v2/{path}")).await.0,
            400,
            "{path}"
        );
    }
}

#[tokio::test]
async fn hostile_values_match_nothing() {
    let server = seeded().await;
    let rest = Rest::of(&server);
    // No row holds NUL, and no database fails on it.
    for (query, n) in [
        ("state_string=a%00", 0),
        ("state_string__contains=%00", 0),
        ("state_string__in=%00&state_string__in=nothing", 0),
        ("state_string__ne=%00", 40),
        ("state_string__ge=%00&field=state_string", -1),
    ] {
        let body = rest.found(&format!("/api/v2/builds?{query}")).await;
        if n >= 0 {
            assert_eq!(body["meta"]["total"], n, "{query}");
        }
    }
    for text in [
        "'; DROP TABLE steps; --",
        "%' OR '1'='1",
        "\\' --",
        "\u{202e}🙂",
    ] {
        let value: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        rest.get(&format!("/api/v2/builds?state_string__contains={value}"))
            .await;
        rest.refused(&format!("/api/v2/builders/{}", value.replace('+', "%20")))
            .await;
    }
    assert_eq!(rest.found("/api/v2/builds").await["meta"]["total"], 40);
}

/// Request lines that no client library would write.
#[tokio::test]
async fn malformed_request_lines_are_refused() {
    let server = seeded().await;
    for (line, status) in [
        ("GET /api/v2/builds?state_string=%zz%", "200"),
        ("GET /api/v2/builders/%zz", "404"),
        ("GET /api/v2/../v2/builds", "404"),
        ("GET /api/v2/builds?a", "200"),
        ("GET /api/v2/builds?", "200"),
        ("OPTIONS /api/v2/builds", "200"),
    ] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        socket.read_to_string(&mut response).await.unwrap();
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status} ")),
            "{line}: {response}"
        );
    }
}
