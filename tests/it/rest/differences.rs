//! Where our response deliberately differs from the recorded one: each request, and the rule of
//! ours that says so.

/// What our server returns instead.
pub(super) enum Ours {
    /// An error with this status.
    Refused(u16),
    /// The same rows, and this number in `meta.total`.
    Total(u64),
    /// Status 200, and this column holds these values, given in JSON. A list has them all, so
    /// `total` is their number.
    Rows(&'static str, &'static str),
}

use Ours::{Refused, Rows, Total};

pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) requests: &'static [(&'static str, Ours)],
}

pub(super) const LIVE: &[Rule] = &[
    Rule {
        name: "a step's name in a path is any text",
        requests: &[
            (
                "/builds/24/steps/1st-leading-digit",
                Rows("stepid", "[133]"),
            ),
            ("/builds/24/steps/slash%2Fname", Rows("stepid", "[136]")),
            ("/builds/24/steps/percent%2520name", Rows("stepid", "[138]")),
            (
                "/builds/25/steps/%E6%97%A5%E6%9C%AC%E8%AA%9E",
                Rows("stepid", "[139]"),
            ),
            ("/builds/25/steps/schritt-%C3%BC", Rows("stepid", "[137]")),
            (
                "/builds/25/steps/MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM%C3%A9",
                Rows("stepid", "[153]"),
            ),
        ],
    },
    Rule {
        name: "a number in a path is ASCII digits with an optional sign",
        requests: &[
            ("/builders/%D9%A1?field=name", Refused(404)),
            ("/steps/%2064%20?field=stepid", Refused(404)),
            ("/steps/1_0?field=stepid", Refused(404)),
        ],
    },
    Rule {
        name: "what cannot be read is 400",
        requests: &[
            ("/builders/%FF", Refused(400)),
            ("/builds/15/steps?order=", Refused(400)),
        ],
    },
    Rule {
        name: "limit and offset are integers from 0 on",
        requests: &[
            ("/builds/15/steps?field=name&limit=-1", Refused(400)),
            ("/builds?field=buildid&limit=-1", Refused(400)),
        ],
    },
    Rule {
        name: "an unknown field or operator is 400",
        requests: &[
            ("/builds/15/steps?field=number&number__foo=1", Refused(400)),
            ("/builds/15/steps?field=number&foo__eq=1", Refused(400)),
            ("/builds/15/steps?field=number&__eq=1", Refused(400)),
            (
                "/builds/15/steps?field=number&number__eq__eq=1",
                Refused(400),
            ),
            ("/steps/64?foo__eq=1", Refused(400)),
        ],
    },
    Rule {
        name: "null as a value means null",
        requests: &[(
            "/builds/15/steps?field=number&field=results&results=null",
            Rows("number", "[]"),
        )],
    },
    Rule {
        name: "dates of steps compare as integers, and are neither less nor greater than null",
        requests: &[
            (
                "/builds/15/steps?field=number&field=locks_acquired_at&locks_acquired_at__gt=0",
                Rows("number", "[0,1,2,5,6,8,9,10]"),
            ),
            (
                "/builds/15/steps?field=number&field=locks_acquired_at&locks_acquired_at__lt=0",
                Rows("number", "[]"),
            ),
        ],
    },
    Rule {
        name: "total is the number of matches, for builds too",
        requests: &[
            ("/builds?field=buildid&limit=2", Total(56)),
            ("/builds?field=buildid&limit=2&offset=1", Total(56)),
            ("/builds?field=buildid&offset=20", Total(56)),
            ("/builds?complete=true&limit=1", Total(56)),
            (
                "/builds?complete=true&complete=false&field=complete&limit=2",
                Total(56),
            ),
            (
                "/builds?results__ne=0&field=results&field=buildid&limit=4",
                Total(15),
            ),
            (
                "/builds?started_at__gt=1795332425&field=started_at&limit=2",
                Total(41),
            ),
            (
                "/builders/plain/builds?field=number&order=-number&limit=1",
                Total(6),
            ),
        ],
    },
    Rule {
        name: "contains knows case and has no wildcards",
        requests: &[
            (
                "/builds?state_string__contains=GOLDEN&field=state_string",
                Rows("state_string", "[]"),
            ),
            (
                "/builds?state_string__contains=can_elled&field=state_string",
                Rows("state_string", "[]"),
            ),
        ],
    },
];

pub(super) const SYNTHETIC: &[Rule] = &[
    Rule {
        name: "a step's name in a path is any text",
        requests: &[("/builds/5001/steps/new%0Aline", Rows("stepid", "[5018]"))],
    },
    Rule {
        name: "a number in a path is ASCII digits with an optional sign",
        requests: &[
            (
                "/builders/1_0?field=builderid&field=name",
                Rows("builderid", "[5104]"),
            ),
            (
                "/builders/1_0/builds/1/steps?field=stepid&field=name",
                Rows("stepid", "[5104]"),
            ),
            (
                "/builders/%D9%A3?field=builderid&field=name",
                Rows("builderid", "[5105]"),
            ),
            (
                "/builders/%D9%A3/builds/1/steps?field=stepid&field=name",
                Rows("stepid", "[5105]"),
            ),
        ],
    },
    Rule {
        name: "an unreadable urls_json reads as no urls",
        requests: &[
            ("/builds/5003/steps", Rows("urls", "[[],[]]")),
            ("/builds/5004/steps", Rows("urls", "[[],[]]")),
            ("/builds/5005/steps", Rows("urls", "[[],[]]")),
            ("/builds/5006/steps", Rows("urls", "[[],[]]")),
            ("/steps/5041", Rows("urls", "[[]]")),
        ],
    },
    Rule {
        name: "a year beyond 9999 is passed on",
        requests: &[("/steps/5060", Rows("started_at", "[253402300800]"))],
    },
    Rule {
        name: "null is neither less nor greater, and dates of steps compare as integers",
        requests: &[
            (
                "/builds/5000/steps?results__gt=0&field=name&field=results",
                Rows("results", "[2]"),
            ),
            (
                "/builds/5000/steps?complete_at__lt=5&field=complete_at",
                Rows("complete_at", "[]"),
            ),
        ],
    },
    Rule {
        name: "urls are ordered by what they say",
        requests: &[(
            "/builds/5002/steps?order=urls&field=urls",
            Rows(
                "urls",
                r#"[[{"name":"a","url":"b"}],[{"name":1,"url":null}],[{"name":"é","url":"http://é/"}],[]]"#,
            ),
        )],
    },
];
