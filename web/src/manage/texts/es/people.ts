/** The people who work at an event. */

import type { peopleTexts as english } from "../en/people";

export const peopleTexts: typeof english = {
  title: "Equipo",
  you: "tú",
  by: (who) => `por ${who}`,
  anAdmin: "la administración de la tienda",
  former: (name) => `${name} (ya no está en el equipo)`,
  lead: "Las personas que trabajan contigo en este evento.",
  none: "De momento, solo tú",
  noneText: "Invita a coordinadores para gestionar el evento contigo y a personal para controlar las entradas en la puerta.",
  inviteTitle: "Invitar a alguien",
  invite: "Enviar invitación",
  email: "Correo electrónico",
  emailNote: "Recibirá un correo. Podrá aceptar la invitación cuando inicie sesión con esa misma dirección.",
  role: "Rol",
  roleNotes: {
    staff: "Controla las entradas en la puerta. Ve las entradas, pero no los precios ni los pedidos, y no puede cambiar nada.",
    cashier: "Trabaja en la puerta, y vende y devuelve entradas en la taquilla. Solo ve su propia caja.",
    accountant: "Ve las ventas, el dinero y la liquidación del evento, y nada de los compradores.",
    coordinator: "Gestiona el evento y su venta, consulta y reembolsa pedidos e invita al personal.",
  },
  changeTo: { staff: "Pasar a personal de puerta", cashier: "Pasar a taquilla", accountant: "Pasar a contabilidad", coordinator: "Pasar a coordinación" },
  invited: (email: string) => `Invitación enviada a ${email}`,
  pending: (role: string, when: string) => `${role}, invitación del ${when}, aún sin aceptar`,
  since: (role: string, when: string) => `${role}, invitación del ${when}`,
  remove: "Quitar",
  removeNow: "Sí, quitar",
  removeText: "Pierde el acceso en un máximo de 15 minutos. Puedes volver a invitar a esta persona cuando quieras.",
  doorTitle: "Abrir la puerta en un dispositivo",
  doorText: "El personal escanea este código con el teléfono o la tableta que usará en la puerta. El código abre la página de la puerta para este evento. No contiene ninguna contraseña: el personal inicia sesión en el dispositivo.",
  doorCode: "Código QR que abre la página de la puerta",
  doorLink: "Abrir la página de la puerta en este dispositivo",
  boxOfficeLink: "Abrir la taquilla en este dispositivo",
};
