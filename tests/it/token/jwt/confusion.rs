//! Confusions of JWTs: what is put into a header, claims or a signature to be taken for more.

use serde_json::{Value, json};

use super::super::identity_provider::{
    AUDIENCE, ISSUER, Key, LEEWAY, Provider, claims, claims_with, hs256, now, text, unsigned,
};
use super::{READ, all_refused, refusal, trusting};
use crate::support::server::Server;

/// An identity provider with a key of each kind, and a server that trusts it.
struct Trust {
    rsa: Key,
    ed: Key,
    ec: Key,
    provider: Provider,
    server: Server,
}

impl Trust {
    async fn start() -> Self {
        let (rsa, ed, ec) = (
            Key::new("a", "RS256"),
            Key::new("b", "EdDSA"),
            Key::new("c", "ES256"),
        );
        let provider = Provider::start(&[&rsa, &ed, &ec]).await;
        let server = trusting(&provider, &[]).await;
        Self {
            rsa,
            ed,
            ec,
            provider,
            server,
        }
    }

    async fn refuses(&self, bad: Vec<(String, String)>) {
        let bad: Vec<_> = bad
            .iter()
            .map(|(what, token)| (&**what, token.clone(), ""))
            .collect();
        all_refused(&self.server, &bad).await;
    }

    async fn takes(&self, good: Vec<(String, String)>) {
        for (what, token) in good {
            assert_eq!(refusal(&self.server, &token).await, None, "{what}");
        }
    }

    /// A JWT that is valid but for these parts of its header.
    fn with_header(&self, parts: &Value) -> (String, String) {
        let mut header = json!({ "typ": "JWT", "alg": "EdDSA", "kid": "b" });
        for (name, value) in parts.as_object().unwrap() {
            header[name] = value.clone();
        }
        let token = self.ed.sign_with(&header, &claims(READ));
        (header.to_string(), token)
    }

    /// A JWT that is valid but for this claim.
    fn with_claim(&self, name: &str, value: &Value) -> (String, String) {
        let token = self.ed.sign(&claims_with(name, value.clone()));
        (format!("{name}: {value}"), token)
    }
}

#[tokio::test]
async fn no_algorithm_is_taken_but_those_of_public_keys() {
    let trust = Trust::start().await;
    let good = claims(READ);
    let mut bad = Vec::new();
    for name in [
        "none", "None", "NONE", "nOnE", "", "eddsa", "HS256", "EdDSA ",
    ] {
        let header = json!({ "alg": name, "kid": "b" });
        bad.push((name.to_owned(), format!("{}.", unsigned(&header, &good))));
        bad.push((name.to_owned(), trust.ed.sign_with(&header, &good)));
    }
    // The public keys as secrets, in each form that an attacker has.
    for key in [&trust.rsa, &trust.ed, &trust.ec] {
        let public = key.public();
        for part in ["n", "x", "y", "kid"] {
            let secret = public[part].as_str().unwrap_or_default();
            let what = format!("HS256 with {part} of {}", key.id);
            bad.push((what, hs256(key.id, secret.as_bytes(), &good)));
        }
        let secret = public.to_string();
        bad.push((
            "HS256 with a JWK".to_owned(),
            hs256(key.id, secret.as_bytes(), &good),
        ));
    }
    // A key for an algorithm of another kind.
    for (key, name, kid) in [
        (&trust.ec, "RS256", "a"),
        (&trust.rsa, "ES256", "c"),
        (&trust.ed, "ES256", "c"),
        (&trust.ec, "ES256", "a"),
        (&trust.ec, "EdDSA", "b"),
    ] {
        let header = json!({ "alg": name, "kid": kid });
        bad.push((header.to_string(), key.sign_with(&header, &good)));
    }
    trust.refuses(bad).await;
}

#[tokio::test]
async fn a_header_leads_to_no_other_key() {
    let trust = Trust::start().await;
    let forged = Key::new("evil", "EdDSA");
    let evil = Provider::start(&[&forged]).await;
    let good = claims(READ);
    let mut bad = Vec::new();
    for kid in ["evil", "b"] {
        for (name, value) in [
            ("jwk", forged.public()),
            ("jku", json!(evil.url())),
            ("jku", json!(trust.provider.url())),
            ("x5u", json!(evil.url())),
            ("x5c", json!([forged.public()["x"]])),
        ] {
            let mut header = json!({ "alg": "EdDSA", "kid": kid });
            header[name] = value;
            bad.push((header.to_string(), forged.sign_with(&header, &good)));
        }
    }
    let long = "b".repeat(9_000);
    for kid in [
        json!("../../../../dev/null"),
        json!("' OR 1=1 --"),
        json!("b' UNION SELECT 'x"),
        json!("b\u{0}"),
        json!("B"),
        json!(" b"),
        json!(""),
        json!(long),
        json!(7),
        json!(["b"]),
        json!({ "b": 1 }),
    ] {
        bad.push(trust.with_header(&json!({ "kid": kid })));
    }
    // What a header demands must be understood.
    for crit in [json!(["exp"]), json!(["b64"]), json!([]), json!("exp")] {
        bad.push(trust.with_header(&json!({ "crit": crit })));
    }
    let twice = r#"{"alg":"none","alg":"EdDSA","kid":"b"}"#;
    bad.push((
        twice.to_owned(),
        trust.ed.sign_texts(twice, &good.to_string()),
    ));
    trust.refuses(bad).await;
    assert_eq!(evil.request_count(), 0);
}

/// An ID token says who somebody is, to another program.
#[tokio::test]
async fn only_access_tokens_are_taken() {
    let trust = Trust::start().await;
    let header = |typ: Value| trust.with_header(&json!({ "typ": typ }));
    let mut bad: Vec<_> = [
        "id+jwt",
        "ID+JWT",
        "application/id+jwt",
        "Application/Id+Jwt",
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "JWE",
        "",
    ]
    .map(|typ| header(json!(typ)))
    .into();
    bad.push(header(json!(7)));
    bad.push(trust.with_claim("typ", &json!("ID")));
    bad.push(trust.with_claim("token_use", &json!("id")));
    trust.refuses(bad).await;
    let mut good: Vec<_> = [
        "JWT",
        "jwt",
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "application/jwt",
    ]
    .map(|typ| header(json!(typ)))
    .into();
    let untyped = json!({ "alg": "EdDSA", "kid": "b" });
    let untyped = trust.ed.sign_with(&untyped, &claims(READ));
    good.push(("no typ".to_owned(), untyped));
    good.push(trust.with_claim("typ", &json!("Bearer")));
    good.push(trust.with_claim("token_use", &json!("access")));
    trust.takes(good).await;
}

#[tokio::test]
async fn claims_of_other_forms_are_refused() {
    let trust = Trust::start().await;
    let bad = [
        ("iss", json!([ISSUER])),
        ("iss", json!([ISSUER, "https://evil.example.org/"])),
        ("iss", json!([])),
        ("iss", json!({ "0": ISSUER })),
        ("iss", json!(ISSUER.trim_end_matches('/'))),
        ("iss", json!(ISSUER.to_uppercase())),
        ("iss", json!(format!("{ISSUER} "))),
        ("iss", json!("")),
        ("aud", json!([])),
        ("aud", json!(["other"])),
        ("aud", json!([[AUDIENCE]])),
        ("aud", json!({ "0": AUDIENCE })),
        ("aud", json!(format!("{AUDIENCE} other"))),
        ("aud", json!(AUDIENCE.to_uppercase())),
        ("aud", json!("")),
        ("aud", json!(7)),
        ("exp", json!("9999999999")),
        ("exp", json!("9999999999abc")),
        ("exp", json!(0)),
        ("exp", json!(-9_999_999_999_i64)),
        ("exp", json!(1e300)),
        ("exp", json!(-1e300)),
        ("exp", json!(true)),
        ("exp", json!([9_999_999_999_i64])),
        // The very second of its end.
        ("exp", json!(now() - LEEWAY)),
        ("nbf", json!("0")),
        ("nbf", json!(1e300)),
        ("nbf", json!(9_999_999_999_i64)),
        ("nbf", json!([0])),
    ];
    let bad = bad.map(|(name, value)| trust.with_claim(name, &value));
    trust.refuses(bad.into()).await;
    // Of two values, neither counts.
    let good = claims(READ).to_string();
    let header = r#"{"alg":"EdDSA","kid":"b"}"#;
    let mut bad = Vec::new();
    for (name, value) in [
        ("exp", json!(9_999_999_999_i64)),
        ("exp", json!(1)),
        ("iss", json!(ISSUER)),
        ("aud", json!(AUDIENCE)),
        ("nbf", json!(0)),
    ] {
        let first = format!("{{\"{name}\":{value},{}", &good[1..]);
        let last = format!("{},\"{name}\":{value}}}", &good[..good.len() - 1]);
        for claims in [first, last] {
            bad.push((claims.clone(), trust.ed.sign_texts(header, &claims)));
        }
    }
    // No claims, or another JWT in their place.
    let inner = trust.ed.sign(&claims(READ));
    let nested = r#"{"alg":"EdDSA","kid":"b","cty":"JWT"}"#;
    for payload in [&*inner, &*format!("\"{inner}\""), "[]", "null", "", "{"] {
        bad.push((payload.to_owned(), trust.ed.sign_texts(nested, payload)));
    }
    trust.refuses(bad).await;
    let good = [
        ("aud", json!(["other", AUDIENCE])),
        ("exp", json!(9_223_372_036_854_775_807_i64)),
        ("exp", json!(9_999_999_999.5)),
        ("nbf", json!(0.5)),
        ("iat", json!("never")),
        ("iat", json!(1e300)),
        ("sub", json!(7)),
    ];
    let good = good.map(|(name, value)| trust.with_claim(name, &value));
    trust.takes(good.into()).await;
}

#[tokio::test]
async fn signatures_of_other_forms_are_refused() {
    let trust = Trust::start().await;
    let good = claims(READ);
    let of_ec = trust.ec.sign(&good);
    let (message, signature) = of_ec.rsplit_once('.').unwrap();
    let mut bad: Vec<(String, String)> = Vec::new();
    let mut add = |what: &str, token: String| bad.push((what.to_owned(), token));
    // Of r and s, both must be within the group.
    let order = hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let order = order.unwrap();
    for (what, bytes) in [
        ("r and s are zero", vec![0; 64]),
        ("r and s are the order", [&*order, &order].concat()),
        (
            "r is one and s zero",
            [&[0; 31][..], &[1], &[0; 32]].concat(),
        ),
        ("63 bytes", vec![1; 63]),
        ("65 bytes", vec![1; 65]),
        ("ASN.1", vec![0x30, 6, 2, 1, 0, 2, 1, 0]),
        ("no bytes", Vec::new()),
    ] {
        add(what, format!("{message}.{}", text(bytes)));
    }
    for (what, token) in [
        ("padding", format!("{of_ec}==")),
        ("a padded payload", format!("{message}=.{signature}")),
        ("a space", format!("{message}. {signature}")),
        ("a fourth part", format!("{of_ec}.x")),
        ("a dot more", format!("{of_ec}.")),
        ("a dot before", format!(".{of_ec}")),
        ("a letter more", format!("{of_ec}A")),
        ("a comma", format!("{of_ec},")),
        ("quotes", format!("\"{of_ec}\"")),
        ("dots alone", "..".to_owned()),
        ("five parts", "e30.e30.e30.e30.e30".to_owned()),
        (
            "a signature twice",
            format!("{message}.{signature}{signature}"),
        ),
        ("another's message", {
            let other = trust.ec.sign(&claims("buildbot:write"));
            let (message, _) = other.rsplit_once('.').unwrap();
            format!("{message}.{signature}")
        }),
    ] {
        add(what, token);
    }
    // The bits of its last letter that stand for nothing.
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = letters.find(of_ec.chars().last().unwrap()).unwrap();
    let other = &letters[last + 1..=last + 1];
    add(
        "unused bits",
        format!("{}{other}", &of_ec[..of_ec.len() - 1]),
    );
    trust.refuses(bad).await;
    trust.takes(vec![("unchanged".to_owned(), of_ec)]).await;
}
