//! The accepted spellings of parameters, and the reason for each refusal.

use serde_json::json;

use super::Rest;
use crate::filter::seed::seeded;

/// Every parameter is spelled as Buildbot has it, or refused with a reason.
#[tokio::test]
async fn parameters_are_spelled_as_in_buildbot() {
    let server = seeded().await;
    let rest = Rest::of(&server);
    let same = [
        // A word without `=` is no parameter, `;` separates, names may be escaped, and the first of
        // several limits counts.
        ("?limit=2", "?limit=2&nonsense&&field"),
        ("?limit=2&offset=1", "?limit=2;offset=1"),
        ("?limit=2", "?%6Cimit=2&limit=x"),
        ("?limit=10", "?limit=1_0"),
        ("?limit=10", "?limit=+10+"),
        ("?offset=99", "?offset=99999999999999999999999999"),
        ("?results=null&results=1", "?results__in=1&results__in=null"),
        ("?order=results", "?order=results&order=-results"),
        ("", "?property=x"),
        ("?complete=true", "?complete=YES"),
        ("?state_string=a+", "?state_string=a%20"),
    ];
    for (one, other) in same {
        let [one, other] = [one, other].map(|query| format!("/api/v2/builds{query}"));
        assert_eq!(
            rest.found(&one).await,
            rest.found(&other).await,
            "{one} {other}"
        );
    }
    for (query, part) in [
        ("field=", "field: there is no field \"\""),
        ("field=nothing", "\"nothing\""),
        ("order=", "order"),
        ("order=-", "order"),
        ("order=--number", "\"-number\""),
        ("order=nothing", "\"nothing\""),
        ("field=number&order=results", "results"),
        ("field=number&results=1", "results"),
        ("limit=", "limit: an integer from 0 on, got \"\""),
        ("limit=-1", "\"-1\""),
        ("limit=1.5", "\"1.5\""),
        ("limit=1__0", "\"1__0\""),
        ("offset=-1", "offset"),
        ("offset=null", "offset"),
        ("nothing=1", "\"nothing\""),
        ("Number=1", "\"Number\""),
        ("=1", "\"\""),
        ("__eq=1", "\"\""),
        ("nothing__eq=1", "\"nothing\""),
        ("number__nothing=1", "one of eq, ne"),
        ("number__EQ=1", "\"EQ\""),
        ("number=", "number: an integer, got \"\""),
        ("number=null", "\"null\""),
        ("number=%D9%A3", "an integer"),
        ("number=0x1", "an integer"),
        ("started_at=2026-01-01", "an integer"),
        ("results=None", "an integer"),
        ("complete=null", "true or false"),
        ("complete=t", "true or false"),
        ("complete__contains=1", "operator"),
        ("properties=x", "cannot be filtered"),
        ("properties__ne=x", "cannot be filtered"),
        ("state_string=%FF", "UTF-8"),
        ("%FF=1", "UTF-8"),
    ] {
        for path in ["/builds", "/builders/a/builds", "/builds/1"] {
            let (status, text) = rest.refused(&format!("/api/v2{path}?{query}")).await;
            assert_eq!(status, 400, "{path} {query}: {text}");
            assert!(text.contains(part), "{path} {query}: {text}");
        }
    }
    for query in [
        "name=with%20space",
        "name=",
        "name__contains=",
        "name=9x",
        "name=%C3%A9",
        "urls=x",
        "urls__contains=x",
    ] {
        assert_eq!(
            rest.refused(&format!("/api/v2/builds/1/steps?{query}"))
                .await
                .0,
            400,
            "{query}"
        );
    }
    assert_eq!(
        rest.refused(&format!("/api/v2/builds/1/steps?name={}", "x".repeat(51)))
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn a_single_resource_ignores_collection_parameters() {
    let server = seeded().await;
    let rest = Rest::of(&server);
    // Filters are for collections. Everything else is checked and has no effect.
    let one = rest.found("/api/v2/builds/1").await;
    assert_eq!(one["meta"], json!({}));
    assert_eq!(
        rest.found("/api/v2/builds/1?limit=0&offset=5&order=-number")
            .await,
        one
    );
    assert_eq!(
        rest.found("/api/v2/builds/1?field=buildid").await,
        json!({ "builds": [{ "buildid": 1 }], "meta": {} })
    );
    for query in ["buildid=1", "buildid__eq=1", "number__gt=0"] {
        assert_eq!(
            rest.refused(&format!("/api/v2/builds/1?{query}")).await.0,
            400,
            "{query}"
        );
    }
    // Parameters are checked before the database is read.
    assert_eq!(rest.refused("/api/v2/builds/9999?nothing=1").await.0, 400);
    assert_eq!(rest.refused("/api/v2/builds/9999").await.0, 404);
    assert_eq!(rest.refused("/api/v2/nothing?nothing=1").await.0, 404);
}
