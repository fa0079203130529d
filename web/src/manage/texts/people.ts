/** The people who work at an event. */

import type { InEachLanguage } from "../texts";

const en = {
  title: "People",
  you: "you",
  by: (who: string) => `by ${who}`,
  anAdmin: "an admin of the shop",
  former: (name: string) => `${name} (works here no more)`,
  lead: "Who works at this event with you.",
  none: "Nobody but you",
  noneText: "Invite coordinators, who manage the event with you, and staff, who let people in at the door.",
  inviteTitle: "Invite somebody",
  invite: "Send the invitation",
  email: "E-mail address",
  emailNote: "They get a mail. It counts once they sign in with exactly this address.",
  role: "Role",
  roleNotes: {
    staff: "Lets people in at the door and sees the tickets. No prices, no orders, no changes.",
    coordinator: "Manages the event and its sale, sees orders, refunds them, and invites staff.",
  },
  make: { staff: "Make staff", coordinator: "Make coordinator" },
  invited: (email: string) => `Invited: ${email}`,
  since: (role: string, when: string) => `${role}, invited ${when}`,
  remove: "Remove",
  removeNow: "Yes, remove",
  removeText: "They lose the role within 15 minutes, as soon as their sign-in is renewed. You can invite them again.",
};

const es: typeof en = {
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

export const peopleTexts: InEachLanguage<typeof en> = { en, es };
