/** What buyers read about a promoter. */

import type { InEachLanguage } from "../texts";

const en = {
  title: "Your profile",
  lead: "What buyers can read about you.",
  verified: "You are verified: buyers can see this profile.",
  unverified: "An admin of the shop has not verified you yet. Until then only you and the admins see this profile. You can sell tickets all the same.",
  losesVerification: "If you change the name, the company or the website, an admin has to verify you again.",
  name: "Name",
  nameNote: "As buyers know you.",
  company: "Company (optional)",
  website: "Website (optional)",
  websiteError: "This is no address of a website. It looks like https://example.com.",
  email: "E-mail address for buyers (optional)",
  emailNote: "Everybody can read it. It need not be the one that you sign in with.",
  description: "About you (optional)",
};

const es: typeof en = {
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

export const profileTexts: InEachLanguage<typeof en> = { en, es };
