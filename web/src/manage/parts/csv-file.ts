/** CSV files that the API sends in parts. */

/** Load a CSV file that the API sends in parts. Only the first part has a byte order mark, which tells spreadsheets that it is UTF-8. */
export async function loadFile(loadPart: (part: { cursor?: string; bom: boolean }) => Promise<{ data?: unknown; response: Response }>): Promise<Blob> {
  const parts: string[] = [];
  let cursor: string | undefined;
  do {
    const { data, response } = await loadPart({ cursor, bom: cursor === undefined });
    parts.push(data as string);
    cursor = nextCursor(response.headers.get("Link"));
  } while (cursor);
  return new Blob(parts, { type: "text/csv" });
}

function nextCursor(link: string | null): string | undefined {
  const address = /<([^>]*)>; *rel="next"/.exec(link ?? "")?.[1];
  return address ? (new URL(address, location.origin).searchParams.get("cursor") ?? undefined) : undefined;
}
