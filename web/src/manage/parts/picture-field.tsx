/** A picture that people can choose, drop or remove. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Failure } from "../../parts/failure";
import { useAction } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { useRoomTexts } from "../texts";
import { ApiFailure } from "../api";

/** The API accepts forms of about 4.5 MB (docs/events.md), so larger pictures are scaled down before they are sent. */
const MAX_BYTES = 4_000_000;
const MAX_SIDE = 3200;
const TYPES = ["image/jpeg", "image/png", "image/webp"];

interface Props {
  title: string;
  /** What pictures look best. */
  note?: string;
  picture: ComponentChildren;
  hasPicture: boolean;
  upload: (file: File) => Promise<void>;
  remove: () => Promise<void>;
}

export function PictureField({ title, note, picture, hasPicture, upload, remove }: Props) {
  const { t } = useTexts();
  const own = useRoomTexts("pictures");
  const { isWorking, failure, run } = useAction();
  const [isOver, setOver] = useState(false);
  const send = (file: File | undefined) => file && run(async () => upload(await prepare(file)));
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    send(event.dataTransfer?.files[0]);
  };
  const reason = failure?.code === "image_refused" ? own.refused[String(failure.details.reason)] : undefined;
  return (
    <section class="panel picture-field">
      <h2>{title}</h2>
      <div
        class={`picture-drop ${isOver ? "picture-over" : ""}`}
        onDragOver={(event) => (event.preventDefault(), setOver(true))}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        {picture}
      </div>
      <p class="small">{note ?? own.note}</p>
      {reason ? (
        <p class="field-error" role="alert">
          {reason}
        </p>
      ) : (
        failure && <Failure failure={failure} />
      )}
      <div class="row">
        <label class={`button button-quiet file-button ${isWorking ? "is-working" : ""}`}>
          {isWorking ? t.checkout.working : hasPicture ? own.another : own.choose}
          <input
            type="file"
            accept={TYPES.join(",")}
            disabled={isWorking}
            onChange={({ currentTarget }) => {
              send(currentTarget.files?.[0]);
              currentTarget.value = ""; // so that the same file can be chosen again
            }}
          />
        </label>
        {hasPicture && (
          <button type="button" class="link" disabled={isWorking} onClick={() => run(remove)}>
            {own.remove}
          </button>
        )}
      </div>
    </section>
  );
}

/** Scale the picture down if the file is too large to send. Throws ApiFailure if the file is not a picture. */
async function prepare(file: File): Promise<File> {
  if (!TYPES.includes(file.type)) throw new ApiFailure("image_refused", 400, "", null, { reason: "unknown_type" });
  if (file.size <= MAX_BYTES) return file;
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) throw new ApiFailure("image_refused", 400, "", null, { reason: "damaged" });
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(Math.round(bitmap.width * scale), Math.round(bitmap.height * scale));
  canvas.getContext("2d")!.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
  return new File([blob], "picture.jpg", { type: "image/jpeg" });
}
