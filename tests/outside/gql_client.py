"""A client made with PyPI gql; gql.test.mjs runs it.

`batch URL STEPID` prints the results of a batch over HTTP as one JSON object. Over a WebSocket:
`once PROTOCOL URL STEPID` prints the results of a query, a mutation and an invalid document as one JSON object.
`listen PROTOCOL URL BUILDID CURSOR` prints each event of the build as a line of JSON, until it is stopped.
PROTOCOL is a subprotocol, or `default` for gql's own choice.
"""

import asyncio
import json
import sys

from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError
from gql.transport.requests import RequestsHTTPTransport
from gql.transport.websockets import WebsocketsTransport
from tenacity import retry, wait_fixed

EVENTS = """subscription Events($build: Int!, $after: EventCursor) {
  stepEvents(where: { buildid: $build }, after: $after) { cursor step { stateString } }
}"""
QUERY = "query Builds($last: Int!) { builds(last: $last) { nodes { buildid } } }"
MUTATION = """mutation Say($step: Int!, $state: String!) {
  setStepStateString(stepid: $step, stateString: $state) { step { stateString } }
}"""


def document(text, **variables):
    return GraphQLRequest(text, variable_values=variables)


async def once(client, stepid):
    async with client as session:
        answers = {
            "query": await session.execute(document(QUERY, last=1)),
            "mutation": await session.execute(document(MUTATION, step=int(stepid), state="from Python")),
        }
        try:
            await session.execute(document("{ noSuchField }"))
        except TransportQueryError as error:
            answers["errors"] = error.errors
    print(json.dumps(answers), flush=True)


def batch(url, stepid):
    client = Client(transport=RequestsHTTPTransport(url=url))
    query, mutation = document(QUERY, last=1), document(MUTATION, step=int(stepid), state="in a batch")
    answers = client.execute_batch([query, mutation, query])
    try:
        client.execute_batch([query, document("{ noSuchField }")])
        errors = None
    except TransportQueryError as error:
        errors = error.errors
    print(json.dumps({"answers": answers, "errors": errors}))


async def listen(client, buildid, cursor):
    session = await client.connect_async(reconnecting=True, retry_connect=retry(wait=wait_fixed(0.05)))
    while True:
        try:
            async for data in session.subscribe(document(EVENTS, build=int(buildid), after=cursor)):
                event = data["stepEvents"]
                cursor = event["cursor"]
                print(json.dumps(event), flush=True)
            raise SystemExit("the subscription completed")
        except TransportConnectionFailed:
            # The session is reconnecting. Until it has, subscribing fails with this error, too.
            await asyncio.sleep(0.05)


COMMANDS = {"once": once, "listen": listen}

if __name__ == "__main__":
    if sys.argv[1] == "batch":
        sys.exit(batch(*sys.argv[2:]))
    _, command, protocol, url, *arguments = sys.argv
    subprotocols = None if protocol == "default" else [protocol]
    # A killed server sends no close frame.
    transport = WebsocketsTransport(url=url, close_timeout=1, subprotocols=subprotocols)
    asyncio.run(COMMANDS[command](Client(transport=transport), *arguments))
