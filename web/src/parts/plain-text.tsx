/** Text that promoters write: its line breaks are kept, and its web addresses are links. */

import { linked } from "../links";

export function PlainText({ text, class: name = "" }: { text: string; class?: string }) {
  return (
    <p class={`plain-text ${name}`}>
      {linked(text).map((part) =>
        typeof part === "string" ? (
          part
        ) : (
          <a href={part.href} rel="nofollow ugc noopener noreferrer">
            {part.text}
          </a>
        ),
      )}
    </p>
  );
}
