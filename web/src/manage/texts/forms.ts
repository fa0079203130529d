/** What all forms of these pages say. */

import type { InEachLanguage } from "../texts";

const en = {
  save: "Save",
  saved: "Saved",
  discard: "Discard what I changed",
  back: "No, go back",
  yes: "Yes",
  no: "No",
  nothing: "nothing",
  changedMeanwhile: "Somebody else has saved changes",
  changedMeanwhileText: "They are in the form now. Where you had typed something else, it is still there. Look at both, then save again.",
  mineKept: (mine: string) => `You have typed: ${mine}.`,
  theirsTaken: "You take theirs.",
  takeTheirs: "Take theirs",
  unsaved: "What you typed is kept in this tab until you save it.",
  optional: (label: string) => `${label} (optional)`,
  more: "Show more",
  moreBeside: "The table is wider than the screen: move it sideways",
};

const es: typeof en = {
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

export const formTexts: InEachLanguage<typeof en> = { en, es };
