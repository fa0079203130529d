/** Pictures of events and packages. */

import type { pictureTexts as english } from "../en/pictures";

const refused: Record<string, string> = {
  unknown_type: "No es una imagen JPEG, PNG ni WebP.",
  damaged: "La imagen está dañada. Guárdala de nuevo o elige otra.",
  too_many_pixels: "La imagen tiene más de 40 megapíxeles. Elige una más pequeña.",
  too_few_pixels: "La imagen mide menos de 16 píxeles. Elige una más grande.",
  animated: "La imagen es animada. Elige una fija.",
  not_only_an_image: "El archivo contiene algo más que una imagen. Vuelve a guardar la imagen.",
};

export const pictureTexts: typeof english = {
  note: "JPEG, PNG o WebP. Arrastra un archivo hasta la imagen o elige uno. Las imágenes apaisadas quedan mejor.",
  choose: "Elegir una imagen",
  another: "Elegir otra imagen",
  remove: "Quitar la imagen",
  refused,
};
