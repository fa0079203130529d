/** Hands a link to another person: by what the device offers for that, else by the clipboard. */

import { useState } from "preact/hooks";
import { useTexts } from "../texts";

export function ShareButton({ title, url }: { title: string; url: string }) {
  const { t } = useTexts();
  const [isCopied, setCopied] = useState(false);
  const share = async () => {
    try {
      if (navigator.share) return await navigator.share({ title, url });
      await navigator.clipboard.writeText(url);
      setCopied(true);
    } catch {
      setCopied(false); // the person changed their mind, or the browser does not allow it: the address bar is still there
    }
  };
  return (
    <>
      <button type="button" class="button button-quiet" onClick={() => void share()}>
        {t.share}
      </button>
      <span class="small" role="status">
        {isCopied && t.copied}
      </span>
    </>
  );
}
