import type { EventSummary } from "../api";
import { Artwork } from "./artwork";

type Image = NonNullable<EventSummary["image"]>;

/** The uploaded picture of an event, or one that is drawn from its id. Its place has the same size before and after it is loaded. */
export function EventPicture({ id, image, sizes, first = false }: { id: string; image: EventSummary["image"]; sizes: string; first?: boolean }) {
  return image ? <Picture class="artwork" image={image} sizes={sizes} first={first} /> : <Artwork id={id} />;
}

interface PictureProps {
  class: string;
  image: Image;
  sizes: string;
  /** Whether it is among the first things that are seen. */
  first?: boolean;
}

/** An uploaded picture, as large as its place needs it. What it shows is said beside it. */
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
