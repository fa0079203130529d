/** Pictures of events and packages. */

import type { pictureTexts as english } from "../en/pictures";

const refused: Record<string, string> = {
  unknown_type: "Das ist kein Bild im Format JPEG, PNG oder WebP.",
  damaged: "Dieses Bild ist beschädigt. Speichern Sie es neu, oder wählen Sie ein anderes.",
  too_many_pixels: "Dieses Bild hat mehr als 40 Megapixel. Wählen Sie ein kleineres.",
  too_few_pixels: "Dieses Bild ist kleiner als 16 Pixel. Wählen Sie ein größeres.",
  animated: "Dieses Bild ist animiert. Wählen Sie ein unbewegtes.",
  not_only_an_image: "Diese Datei enthält mehr als ein Bild. Speichern Sie das Bild neu.",
};

export const pictureTexts: typeof english = {
  note: "JPEG, PNG oder WebP. Ziehen Sie eine Datei auf das Bild, oder wählen Sie eine. Breite Bilder sehen am besten aus.",
  choose: "Bild wählen",
  another: "Anderes Bild wählen",
  remove: "Bild entfernen",
  refused,
};
