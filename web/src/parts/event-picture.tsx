import type { EventSummary } from "../api";
import { Artwork } from "./artwork";

/** The uploaded picture of an event, or one that is drawn from its id. Its place has the same size before and after it is loaded. */
export function EventPicture({ id, image, sizes, first = false }: { id: string; image: EventSummary["image"]; sizes: string; first?: boolean }) {
  if (!image) return <Artwork id={id} />;
  const widths = image.thumbnails.map(({ url, width }) => `${url} ${width}w`);
  return (
    <img
      class="artwork"
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
