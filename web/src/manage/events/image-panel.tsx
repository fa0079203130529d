/** The picture of an event. */

import { EventPicture } from "../../parts/event-picture";
import { useManagedEvent } from "../who";
import { PictureField } from "../parts/picture-field";
import { removeEventImage, uploadEventImage } from "./api";

export function ImagePanel({ title }: { title: string }) {
  const { event, replace } = useManagedEvent();
  return (
    <PictureField
      title={title}
      picture={<EventPicture id={event.id} image={event.image} sizes="24rem" />}
      hasPicture={event.image !== null || event.image_url !== null}
      upload={async (file) => replace(await uploadEventImage(event.id, file))}
      remove={async () => replace(await removeEventImage(event.id))}
    />
  );
}
