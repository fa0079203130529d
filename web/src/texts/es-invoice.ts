/** The texts about the company on an invoice, in Spanish. */

import type { invoiceTexts as english } from "./en-invoice";

export const invoiceTexts: typeof english = {
  wanted: "Necesito factura a nombre de una empresa",
  company: "Empresa",
  address: "Dirección de facturación",
  country: "Código de país, para la factura electrónica (opcional)",
  countryForm: "Dos letras, como PT o ES",
  vatId: "NIF o NIF-IVA (opcional)",
  vatIdForm: "De 4 a 30 letras y cifras, como ESB12345678",
};
