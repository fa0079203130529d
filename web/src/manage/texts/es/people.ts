/** The people who work at an event. */

import type { peopleTexts as english } from "../en/people";

export const peopleTexts: typeof english = {
  title: "Equipo",
  you: "tú",
  by: (who) => `por ${who}`,
  anAdmin: "la administración de la tienda",
  former: (name) => `${name} (ya no trabaja aquí)`,
  lead: "Quién trabaja contigo en este evento.",
  none: "Nadie más que tú",
  noneText: "Invita a coordinadores, que gestionan el evento contigo, y a personal, que deja pasar a la gente en la puerta.",
  inviteTitle: "Invitar a alguien",
  invite: "Enviar la invitación",
  email: "Correo electrónico",
  emailNote: "Recibe un correo. Vale en cuanto inicie sesión con esta misma dirección.",
  role: "Función",
  roleNotes: {
    staff: "Deja pasar a la gente en la puerta y ve las entradas. Ni precios, ni pedidos, ni cambios.",
    coordinator: "Gestiona el evento y su venta, ve los pedidos, los reembolsa e invita a personal.",
  },
  make: { staff: "Pasar a personal", coordinator: "Pasar a coordinación" },
  invited: (email: string) => `Invitación enviada: ${email}`,
  since: (role: string, when: string) => `${role}, invitación del ${when}`,
  remove: "Quitar",
  removeNow: "Sí, quitar",
  removeText: "Pierde la función en 15 minutos como mucho, cuando se renueve su sesión. Puedes volver a invitar a esa persona.",
};
