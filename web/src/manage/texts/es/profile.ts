/** What buyers read about a promoter. */

import type { profileTexts as english } from "../en/profile";

export const profileTexts: typeof english = {
  title: "Tu perfil",
  lead: "Lo que quienes compran pueden leer sobre ti.",
  verified: "Tu perfil está verificado: quienes compran pueden verlo.",
  unverified: "La administración de la tienda todavía no te ha verificado. Hasta entonces solo tú y la administración ven este perfil. Puedes vender entradas igualmente.",
  losesVerification: "Si cambias el nombre, la empresa o la web, la administración tiene que verificarte de nuevo.",
  name: "Nombre",
  nameNote: "Como te conocen quienes compran.",
  company: "Empresa (opcional)",
  website: "Web (opcional)",
  websiteError: "Esto no es la dirección de una web. Es como https://example.com.",
  email: "Correo para quienes compran (opcional)",
  emailNote: "Cualquiera puede leerlo. No tiene que ser el correo con el que inicias sesión.",
  description: "Sobre ti (opcional)",
};
