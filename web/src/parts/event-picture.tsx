import type { EventSummary } from "../api";
import { Artwork } from "./artwork";

type Image = NonNullable<EventSummary["image"]>;

/** The uploaded picture of an event, or one drawn from its id. The space for it has the same size before and after loading. */
export function EventPicture({ id, image, sizes, first = false }: { id: string; image: EventSummary["image"]; sizes: string; first?: boolean }) {
  return image ? <Picture class="artwork" image={image} sizes={sizes} first={first} /> : <Artwork id={id} />;
}

interface PictureProps {
  class: string;
  image: Image;
  sizes: string;
  /** Whether the picture is visible without scrolling. */
  first?: boolean;
}

/** An uploaded picture in the size that its space needs. It has no alternative text, because the text beside it says the same. */
export function Picture({ class: name, image, sizes, first = false }: PictureProps) {
  const widths = image.thumbnails.map(({ url, width }) => `${url} ${width}w`);
  return (
    <img
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
    />
  );
}
