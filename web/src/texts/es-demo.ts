/** The texts about the demo identity, in Spanish. */

import type { demoTexts as english } from "./en-demo";

export const demoTexts: typeof english = {
  title: "Identidad de demostración",
  offer: "Esta tienda es una demostración. Pruébala sin contraseña, con un nombre inventado que guarda este navegador. Nada protege ese nombre, así que no lo uses para nada real.",
  use: "Usar una identidad de demostración",
  text: "Usas esta demostración como un comprador inventado. Cualquiera que conozca el nombre puede usarlo, así que no lo uses para nada real.",
  leave: "Dejar la identidad de demostración",
};
