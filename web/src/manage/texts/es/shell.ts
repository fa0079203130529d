/** The frame of the pages for managers. */

import type { shellTexts as english } from "../en/shell";

export const shellTexts: typeof english = {
  product: "Gestión",
  navigation: "Gestión",
  thisEvent: "Este evento",
  shop: "Ver la tienda",
  door: "Puerta",
  account: "Cuenta",
  asBuyer: "Ver la tienda como comprador",
  overview: "Todos los eventos",
  roles: { staff: "Personal", cashier: "Taquilla", accountant: "Contabilidad", coordinator: "Coordinación", promoter: "Promotor", admin: "Administración" },
  signInTitle: "Inicia sesión para gestionar eventos",
  signInText: "Estas páginas son para quienes venden entradas o trabajan en un evento.",
  becomePromoter: "Crear una cuenta de promotor",
  nothingTitle: "Todavía no hay nada que gestionar",
  nothingText: "Has iniciado sesión, pero todavía no vendes ningún evento ni trabajas en ninguno. Si te han invitado, acepta la invitación en tu cuenta o entra con la dirección en la que la recibiste.",
  secondFactorTitle: "Configura primero el inicio de sesión en dos pasos",
  secondFactorText: "Esta tienda pide un segundo paso al iniciar sesión a quienes gestionan eventos. Configúralo en la página de tu cuenta y vuelve después.",
  toAccount: "A mi cuenta",
  sellHere: "Vender entradas con esta cuenta",
  noAccessTitle: "No tienes acceso a esta página",
  noAccessText: "Si lo necesitas, pídeselo al promotor del evento.",
  noEventTitle: "No encontramos este evento",
  noEventText: "Puede que se haya eliminado o que la dirección esté incompleta.",
  noPageTitle: "No encontramos esta página",
  noPageText: "Revisa la dirección o elige una página del menú.",
};
