/** What surrounds the pages for those who manage. */

import type { InEachLanguage } from "../texts";

const en = {
  product: "Manage",
  navigation: "Manage",
  ofEvent: "This event",
  shop: "To the shop",
  door: "Door",
  account: "Account",
  asBuyer: "See the shop as a buyer",
  overview: "All events",
  paused: "Paused",
  roles: { staff: "Staff", coordinator: "Coordinator", promoter: "Promoter", admin: "Admin" },
  signInTitle: "Sign in to manage events",
  signInText: "These pages are for people who sell tickets or work at an event.",
  nothingTitle: "There is nothing to manage yet",
  nothingText:
    "You are signed in, but you sell no events and work at none. If somebody has invited you, sign out and in again with the address that was invited.",
  mayNotTitle: "This page is not for your role",
  mayNotText: "Ask the promoter of the event if you need it.",
  noEventTitle: "There is no such event",
  noEventText: "It may have been deleted, or the address is not complete.",
  noPageTitle: "There is no such page",
  noPageText: "Check the address, or choose a page of the navigation.",
  loadFailed: "This page could not be loaded. It may be from before an update: load it again.",
  reload: "Load again",
};

const es: typeof en = {
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

export const shellTexts: InEachLanguage<typeof en> = { en, es };
