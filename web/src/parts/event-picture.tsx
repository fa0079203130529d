import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { EventSummary } from "../api";
import { Artwork } from "./artwork";

type Image = NonNullable<EventSummary["image"]>;

/** The uploaded picture of an event, or one drawn from its id. The space for it has the same size before and after loading. */
export function EventPicture({ id, image, sizes, first = false }: { id: string; image: EventSummary["image"]; sizes: string; first?: boolean }) {
  return image ? <Picture class="artwork" image={image} sizes={sizes} first={first} instead={<Artwork id={id} />} /> : <Artwork id={id} />;
}

interface PictureProps {
  class: string;
  image: Image;
  sizes: string;
  /** Whether the picture is visible without scrolling. */
  first?: boolean;
  /** What is shown if the picture cannot be loaded, as in a stage that shows no uploads any more. */
  instead?: JSX.Element;
}

/** An uploaded picture in the size that its space needs. It has no alternative text, because the text beside it says the same. */
export function Picture({ class: name, image, sizes, first = false, instead }: PictureProps) {
  const [missing, setMissing] = useState<string | null>(null);
  const shown = useRef<HTMLImageElement>(null);
  useEffect(() => {
    if (shown.current?.complete && !shown.current.naturalWidth) setMissing(image.url); // it failed before the scripts took over
  }, [image.url]);
  const widths = image.thumbnails.map(({ url, width }) => `${url} ${width}w`);
  if (missing === image.url) return instead ?? null;
  return (
    <img
      ref={shown}
      class={name}
      src={image.url}
      srcset={[...widths, `${image.url} ${image.width}w`].join(", ")}
      sizes={sizes}
      width={image.width}
      height={image.height}
      alt=""
      loading={first ? "eager" : "lazy"}
      fetchpriority={first ? "high" : "auto"}
      decoding="async"
      onError={() => setMissing(image.url)}
    />
  );
}
