/** The promoter's brand: the logo, and the colors of buttons and links on the pages of the events. */

import { useState } from "preact/hooks";
import { content, type Schemas } from "../../client";
import { Picture } from "../../parts/event-picture";
import { Failure } from "../../parts/failure";
import { Form } from "../../parts/form";
import { useAction } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { manager } from "../api";
import { toFormData } from "../events/api";
import { TextField } from "../parts/fields";
import { PictureField } from "../parts/picture-field";
import { useRoomTexts } from "../texts";

type Profile = Schemas["PromoterView"];

/** The shop's own colors, with which people begin (styles/tokens.css). */
const SHOP_COLORS = { color: "#b32b19", dark_color: "#ff8a73" };

export function Brand({ profile }: { profile: Profile }) {
  const own = useRoomTexts("brand");
  const { t } = useTexts();
  const form = useRoomTexts("forms");
  const [brand, setBrand] = useState(profile.brand);
  const chosen = brand?.color && brand.dark_color ? { color: brand.color, dark_color: brand.dark_color } : SHOP_COLORS;
  const [values, setValues] = useState(chosen);
  const [isSaved, setSaved] = useState(false);
  const { isWorking, failure, run } = useAction();
  const params = { path: { promoter_id: profile.id } };
  const draft = { values, set: (typed: Partial<typeof values>) => (setValues({ ...values, ...typed }), setSaved(false)) };
  const save = async (colors: Partial<typeof values>) => {
    setBrand(await content(manager.PUT("/promoters/{promoter_id}/brand", { params, body: colors })));
    setSaved(true);
  };
  return (
    <>
      {ADDONS.images && (
        <PictureField
          title={own.logo}
          note={own.logoNote}
          picture={brand?.logo && <Picture class="logo" image={brand.logo} sizes="12rem" />}
          hasPicture={!!brand?.logo}
          upload={async (file) =>
            setBrand(await content(manager.POST("/promoters/{promoter_id}/logo", { params, body: { image: "" }, bodySerializer: () => toFormData(file) })))
          }
          remove={async () => setBrand(await content(manager.DELETE("/promoters/{promoter_id}/logo", { params })))}
        />
      )}
      <Form onSubmit={() => save(values)} button={own.save} isQuiet>
        {(errorOf) => (
          <>
            <h2>{own.colors}</h2>
            <p>{own.lead}</p>
            {failure && <Failure failure={failure} />}
            <div class="pair">
              <TextField name="color" type="color" label={own.color} draft={draft} errorOf={errorOf} />
              <TextField name="dark_color" type="color" label={own.darkColor} draft={draft} errorOf={errorOf} />
            </div>
            <div class="pair" aria-hidden="true">
              {(["color", "dark_color"] as const).map((name) => (
                <p key={name} class={`brand-sample ${name === "color" ? "" : "brand-sample-dark"}`} style={{ "--brand": values[name] }}>
                  <span class="button">{t.event.reserve}</span> <span class="brand-link">{t.event.map}</span>
                </p>
              ))}
            </div>
            {brand?.color && (
              <button type="button" class="link" disabled={isWorking} onClick={() => run(() => save({}).then(() => setValues(SHOP_COLORS)))}>
                {own.likeShop}
              </button>
            )}
            <p role="status" class={isSaved ? "saved" : "hidden"}>
              {isSaved && form.saved}
            </p>
          </>
        )}
      </Form>
    </>
  );
}
