// Links to the text of a log as it is.
import { useState } from "preact/hooks";
import { token } from "../api/session";

/** The log's text in a page of its own, or as a file. */
export function rawPath(logid: number, how: "raw" | "raw_inline"): string {
  return `/api/v2/logs/${logid}/${how}`;
}

interface Props {
  logid: number;
  slug: string;
}

export function RawLinks({ logid, slug }: Props) {
  const [failure, setFailure] = useState<string | undefined>(undefined);
  // A link cannot carry a token.
  const fetched = (event: MouseEvent, name?: string) => {
    if (token.get() === null) return;
    event.preventDefault();
    setFailure(undefined);
    openText(logid, name).catch((error: Error) => setFailure(error.message));
  };
  return (
    <>
      <a href={rawPath(logid, "raw_inline")} target="_blank" rel="noreferrer" onClick={(event) => fetched(event)}>Raw</a>
      <a href={rawPath(logid, "raw")} download={`${slug}.txt`} onClick={(event) => fetched(event, `${slug}.txt`)}>Download</a>
      {failure !== undefined && <span role="alert">{failure}</span>}
    </>
  );
}

/** Reads the log with the token of this tab. Throws where the server refuses. */
export async function readRaw(logid: number): Promise<Blob> {
  const response = await fetch(rawPath(logid, "raw_inline"), { headers: { Authorization: `Bearer ${token.get() ?? ""}` } });
  if (!response.ok) throw new Error(`The log could not be read: ${response.status} ${response.statusText}`);
  return response.blob();
}

/** Opens the log as plain text, so that nothing in it runs here; or saves it by this name. */
async function openText(logid: number, name: string | undefined): Promise<void> {
  const blob = new Blob([await readRaw(logid)], { type: "text/plain; charset=utf-8" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  if (name === undefined) link.target = "_blank";
  else link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
