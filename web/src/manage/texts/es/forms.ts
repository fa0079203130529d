/** Texts that all forms share. */

import type { formTexts as english } from "../en/forms";

export const formTexts: typeof english = {
  save: "Guardar",
  saved: "Guardado",
  discard: "Descartar mis cambios",
  back: "No, volver",
  yes: "Sí",
  no: "No",
  nothing: "nada",
  conflictTitle: "Otra persona ha guardado cambios",
  conflictText: "Sus cambios ya están en el formulario. Donde habías escrito otra cosa, se mantiene lo tuyo. Compara ambas versiones y vuelve a guardar.",
  mineKept: (mine: string) => `Has escrito: ${mine}.`,
  theirsTaken: "Usas su versión.",
  takeTheirs: "Usar la suya",
  unsaved: "Sin guardar. Esta pestaña conserva tus cambios hasta que los guardes.",
  optional: (label: string) => `${label} (opcional)`,
  more: "Mostrar más",
  otherLanguages: "Otros idiomas",
  otherLanguagesNote: "Quienes leen en estos idiomas ven estos textos en las páginas, los correos y las entradas. Si dejas un campo vacío, ven el texto de arriba.",
  scrollSideways: "La tabla es más ancha que la pantalla: desplázala hacia un lado",
};
