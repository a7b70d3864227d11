// Queries, over HTTP, so that long answers come compressed.
import type { TypedDocumentString } from "../gql/graphql";
import { readServerClock, token } from "./session";

/** What an error of GraphQL says of itself. */
export interface GraphQLErrorLike {
  message: string;
  extensions?: Record<string, unknown>;
}

/** An operation that the server answered with an error. */
export class OperationError extends Error {
  readonly code: string | undefined;

  constructor(errors: readonly GraphQLErrorLike[]) {
    super(errors.map((error) => error.message).join("\n") || "the server sent an error without a message");
    const code = errors[0]?.extensions?.["code"];
    this.code = typeof code === "string" ? code : undefined;
  }
}

/** The server did not answer, or something in between answered for it. */
export class Unreachable extends Error {}

/**
 * Runs a query.
 * @throws OperationError if the server answers with errors
 * @throws Unreachable if it does not answer as a GraphQL server
 */
export async function query<Result, Variables>(
  document: TypedDocumentString<Result, Variables>,
  variables: Variables,
  signal: AbortSignal,
): Promise<Result> {
  const known = token.get();
  const response = await fetch("/graphql", {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      Accept: "application/graphql-response+json, application/json",
      ...(known === null ? {} : { Authorization: `Bearer ${known}` }),
    },
    body: JSON.stringify({ query: document.toString(), variables }),
    signal,
  }).catch((error: unknown) => {
    throw signal.aborted ? error : new Unreachable("the server cannot be reached");
  });
  readServerClock(response.headers.get("Date"));
  const answer = (await response.json().catch(() => null)) as {
    data?: Result | null;
    errors?: GraphQLErrorLike[];
  } | null;
  if (answer?.errors !== undefined) throw new OperationError(answer.errors);
  if (answer?.data == null) throw new Unreachable(`the answer was ${response.status} ${response.statusText}`);
  return answer.data;
}
