/** Pictures of events and packages. */

import type { pictureTexts as english } from "../en/pictures";

const refused: Record<string, string> = {
  unknown_type: "No es una imagen JPEG, PNG ni WebP.",
  damaged: "La imagen está dañada. Guárdala de nuevo o elige otra.",
  too_many_pixels: "La imagen tiene más de 40 megapíxeles. Elige una más pequeña.",
  too_few_pixels: "La imagen mide menos de 16 píxeles. Elige una más grande.",
  animated: "La imagen se mueve. Elige una fija.",
  not_only_an_image: "En este archivo hay algo más que una imagen. Guarda la imagen de nuevo.",
};

export const pictureTexts: typeof english = {
  note: "JPEG, PNG o WebP. Suelta un archivo sobre la imagen o elige uno; las apaisadas quedan mejor.",
  choose: "Elegir una imagen",
  another: "Elegir otra",
  remove: "Quitar la imagen",
  refused,
};
