/** CSV files: those that the API sends in parts, and those that people choose. */

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

/** Split a file into the cells of its lines, without empty lines. Quoted cells may contain separators, line breaks and doubled quotes. */
export function readLines(text: string): string[][] {
  const separator = /[,;\t]/.exec(text.split("\n", 1)[0]!)?.[0] ?? ",";
  const cell = new RegExp(`(?:"((?:[^"]|"")*)"|([^${separator}\\r\\n]*))(${separator}|\\r?\\n|$)`, "y");
  const lines: string[][] = [[]];
  while (cell.lastIndex < text.length) {
    const found = cell.exec(text);
    if (!found) break;
    lines.at(-1)!.push(found[1]?.replaceAll('""', '"') ?? found[2]!);
    if (found[3] !== separator) lines.push([]);
  }
  return lines.filter((cells) => cells.some((value) => value.trim()));
}
