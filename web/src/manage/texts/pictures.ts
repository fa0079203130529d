/** Pictures of events and packages. */

import type { InEachLanguage } from "../texts";

const refusedEn: Record<string, string> = {
  unknown_type: "This is not a JPEG, PNG or WebP picture.",
  damaged: "This picture is damaged. Save it anew, or choose another one.",
  too_many_pixels: "This picture has more than 40 megapixels. Choose a smaller one.",
  too_few_pixels: "This picture is smaller than 16 pixels. Choose a larger one.",
  animated: "This picture moves. Choose one that stands still.",
  not_only_an_image: "There is more in this file than a picture. Save the picture anew.",
};
const refusedEs: typeof refusedEn = {
  unknown_type: "No es una imagen JPEG, PNG ni WebP.",
  damaged: "La imagen está dañada. Guárdala de nuevo o elige otra.",
  too_many_pixels: "La imagen tiene más de 40 megapíxeles. Elige una más pequeña.",
  too_few_pixels: "La imagen mide menos de 16 píxeles. Elige una más grande.",
  animated: "La imagen se mueve. Elige una fija.",
  not_only_an_image: "En este archivo hay algo más que una imagen. Guarda la imagen de nuevo.",
};

const en = {
  note: "JPEG, PNG or WebP. Drop a file onto the picture, or choose one; wide ones look best.",
  choose: "Choose a picture",
  another: "Choose another one",
  remove: "Remove the picture",
  refused: refusedEn,
};
const es: typeof en = {
  note: "JPEG, PNG o WebP. Suelta un archivo sobre la imagen o elige uno; las apaisadas quedan mejor.",
  choose: "Elegir una imagen",
  another: "Elegir otra",
  remove: "Quitar la imagen",
  refused: refusedEs,
};

export const pictureTexts: InEachLanguage<typeof en> = { en, es };
