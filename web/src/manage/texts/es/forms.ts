/** What all forms of these pages say. */

import type { formTexts as english } from "../en/forms";

export const formTexts: typeof english = {
  save: "Guardar",
  saved: "Guardado",
  discard: "Descartar mis cambios",
  back: "No, volver",
  yes: "Sí",
  no: "No",
  nothing: "nada",
  changedMeanwhile: "Otra persona ha guardado cambios",
  changedMeanwhileText: "Ya están en el formulario. Donde habías escrito otra cosa, sigue estando lo tuyo. Mira ambas y vuelve a guardar.",
  mineKept: (mine: string) => `Has escrito: ${mine}.`,
  theirsTaken: "Aceptas lo suyo.",
  takeTheirs: "Aceptar lo suyo",
  unsaved: "Lo que has escrito se conserva en esta pestaña hasta que lo guardes.",
  optional: (label: string) => `${label} (opcional)`,
  more: "Mostrar más",
  moreBeside: "La tabla es más ancha que la pantalla: muévela hacia el lado",
};
