/** A promoter's public profile. */

import type { profileTexts as english } from "../en/profile";

export const profileTexts: typeof english = {
  title: "Tu perfil",
  lead: "Lo que los compradores pueden leer sobre ti.",
  verified: "Tu perfil está verificado: los compradores pueden verlo.",
  unverified: "La administración de la tienda todavía no te ha verificado. Hasta entonces, solo tú y los administradores podéis ver este perfil. Mientras tanto puedes preparar eventos; para publicarlos, puede que la tienda tenga que verificarte.",
  losesVerification: "Si cambias el nombre, la empresa o la web, un administrador tendrá que verificarte de nuevo.",
  name: "Nombre",
  nameNote: "El nombre por el que te conocen los compradores.",
  company: "Empresa (opcional)",
  website: "Web (opcional)",
  websiteError: "Esto no es la dirección de una web. Un ejemplo: https://example.com.",
  email: "Correo para los compradores (opcional)",
  emailNote: "Cualquiera puede verlo. Puede ser distinto del correo con el que inicias sesión.",
  description: "Sobre ti (opcional)",
  policies: "Devoluciones y condiciones (opcional)",
  policiesNote: "Por ejemplo, hasta cuándo devuelves el importe de las entradas. Los compradores pueden leerlo antes de pagar y en el correo con sus entradas.",
};
