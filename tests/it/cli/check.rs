//! `serve --check`: says what would be wrong, and changes nothing.

use std::fs;

use tokio::net::TcpListener;

use super::{run, temporary_database};

#[tokio::test]
async fn nothing_is_made_where_nothing_is_wrong() {
    let (dir, file, url) = temporary_database();
    let socket = dir.path().join("x.sock");
    let listen = format!("unix:{}", socket.display());
    let flags = ["serve", "--check", "--database-url", &url];
    for address in ["127.0.0.1:0", "localhost:0", &listen] {
        let (code, stdout, stderr) = run(&[&flags[..], &["--listen", address]].concat()).await;
        assert_eq!((code, &*stderr), (Some(0), ""), "{stdout}");
        assert!(
            stdout.contains("would be made") && stdout.contains("Nothing would"),
            "{stdout}"
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
    assert_eq!(run(&["migrate", "--database-url", &url]).await.0, Some(0));
    let before = fs::read(&file).unwrap();
    let (code, stdout, _) = run(&[&flags[..], &["--listen", "127.0.0.1:0"]].concat()).await;
    assert_eq!(code, Some(0));
    assert!(stdout.contains("is up to date"), "{stdout}");
    assert!(fs::read(&file).unwrap() == before);
}

#[tokio::test]
async fn everything_wrong_is_told_at_once() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (dir, _, _) = temporary_database();
    let url = format!("sqlite://{}/no/steps.sqlite?mode=rwc", dir.path().display());
    let (code, stdout, stderr) = run(&[
        "serve",
        "--check",
        "--listen",
        &address,
        "--database-url",
        &url,
        "--tls-cert",
        "no.pem",
        "--tls-key",
        "no.pem",
        "--documents",
        "no.json",
    ])
    .await;
    assert_eq!((code, &*stdout), (Some(1), ""));
    for word in [
        &*address,
        "in use",
        "no/steps.sqlite",
        "--tls-cert no.pem",
        "--documents no.json",
    ] {
        assert!(stderr.contains(word), "{word}: {stderr}");
    }
    assert!(stderr.contains("4 of its settings"), "{stderr}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn pending_migrations_are_named() {
    let (_dir, file, url) = temporary_database();
    let flags = [
        "serve",
        "--check",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        &url,
    ];
    let refusing = [&flags[..], &["--no-migrate"]].concat();
    let (code, _, stderr) = run(&refusing).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("m0001") && !file.exists(), "{stderr}");
    fs::write(&file, "").unwrap();
    let (code, stdout, _) = run(&flags).await;
    assert_eq!(code, Some(0));
    assert!(stdout.contains("m0001"), "{stdout}");
    assert_eq!(run(&refusing).await.0, Some(1));
    assert!(fs::read(&file).unwrap().is_empty());
}

#[tokio::test]
async fn wrong_flags_and_files_are_status_1_too() {
    let (dir, ..) = temporary_database();
    let config = dir.path().join("c.toml");
    fs::write(&config, "lsten = 1").unwrap();
    for flags in [
        &["--readers", "0"][..],
        &["--only-documents"],
        &["--config", config.to_str().unwrap()],
    ] {
        let (code, stdout, stderr) = run(&[&["serve", "--check"][..], flags].concat()).await;
        assert_eq!((code, &*stdout), (Some(1), ""), "{stderr}");
        assert!(stderr.starts_with("error: "), "{stderr}");
    }
}
