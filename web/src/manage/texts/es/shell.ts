/** What surrounds the pages for those who manage. */

import type { shellTexts as english } from "../en/shell";

export const shellTexts: typeof english = {
  product: "Gestión",
  navigation: "Gestión",
  ofEvent: "Este evento",
  shop: "Ir a la tienda",
  door: "Puerta",
  account: "Cuenta",
  asBuyer: "Ver la tienda como comprador",
  overview: "Todos los eventos",
  paused: "En pausa",
  roles: { staff: "Personal", coordinator: "Coordinación", promoter: "Promotor", admin: "Administración" },
  signInTitle: "Inicia sesión para gestionar eventos",
  signInText: "Estas páginas son para quienes venden entradas o trabajan en un evento.",
  nothingTitle: "Todavía no hay nada que gestionar",
  nothingText:
    "Has iniciado sesión, pero no vendes eventos ni trabajas en ninguno. Si alguien te ha invitado, cierra la sesión y vuelve a entrar con la dirección invitada.",
  mayNotTitle: "Esta página no es para tu función",
  mayNotText: "Si la necesitas, pídela a quien promueve el evento.",
  noEventTitle: "Ese evento no existe",
  noEventText: "Puede que se haya eliminado, o que la dirección esté incompleta.",
  noPageTitle: "Esa página no existe",
  noPageText: "Revisa la dirección o elige una página de la navegación.",
  loadFailed: "No se pudo cargar esta página. Puede ser de antes de una actualización: vuelve a cargarla.",
  reload: "Volver a cargar",
};
