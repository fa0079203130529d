/** The texts of the page of legal texts, in Spanish. */

import type { legalTexts as english } from "./en-legal";

export const legalTexts: typeof english = {
  kinds: { imprint: "Aviso legal", terms: "Condiciones", privacy: "Privacidad", refunds: "Política de devoluciones", accessibility: "Accesibilidad" },
  accept: "Al continuar, aceptas las condiciones del vendedor",
  none: "La tienda no ha publicado aquí ningún texto legal.",
  cookies: "Cookies",
  cookiesText: "Esta tienda no te rastrea. Sus cookies solo mantienen tu sesión o, si no tienes cuenta, conservan tus entradas. El proveedor de pagos utiliza sus propias cookies para prevenir el fraude.",
  since: (date: string) => `Versión vigente desde el ${date}`,
};
