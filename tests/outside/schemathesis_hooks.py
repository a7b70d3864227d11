"""What schemathesis cannot derive from the schema: scalars, existing ids and error codes."""

import json

import schemathesis
from hypothesis import strategies as st
from schemathesis.graphql import nodes

# The codes that such a client may receive. INTERNAL is not among them, nor is RATE_LIMITED, with which nothing would
# be tested.
CODES = {
    "BAD_USER_INPUT",
    "CURSOR_EXPIRED",
    "FORBIDDEN",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "LIMIT_EXCEEDED",
    "NOT_FOUND",
    "READ_ONLY",
}

times = st.one_of(
    st.integers(0, 253402300799).map(nodes.Int),
    st.datetimes().map(lambda at: nodes.String(at.isoformat(timespec="seconds") + "Z")),
)
# Half of these names exist somewhere.
names = st.one_of(
    st.sampled_from(["compile", "https://example.org/log"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
).map(nodes.String)
ids = st.one_of(st.integers(1, 3), st.integers(-(2**31), 2**31 - 1)).map(nodes.Int)
schemathesis.graphql.scalar("Int", ids)
schemathesis.graphql.scalar("String", names)
schemathesis.graphql.scalar("DateTime", times)
schemathesis.graphql.scalar("NameOrNumber", st.one_of(st.integers(-(2**31), 2**31 - 1).map(nodes.Int), names))
schemathesis.graphql.scalar("EventCursor", names)


@schemathesis.check
def blames_the_client(ctx, response, case):
    """Every GraphQL error has a code that tells the client what to do."""
    assert response.status_code < 500, f"status {response.status_code}"
    answer = json.loads(response.content)
    for error in answer.get("errors", []):
        code = error.get("extensions", {}).get("code")
        assert code in CODES and error["message"], f"not the client's fault: {error}"
    assert "data" in answer or answer.get("errors"), f"neither data nor errors: {answer}"
