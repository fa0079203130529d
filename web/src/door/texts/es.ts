/** Lo que dice la puerta, en español. */

import type { en } from "./en";

const plural = new Intl.PluralRules("es");
const count = (number: number, one: string, many: string) => `${number.toLocaleString("es")} ${plural.select(number) === "one" ? one : many}`;
const people = (number: number) => count(number, "persona", "personas");
const scans = (number: number) => count(number, "lectura", "lecturas");

export const es: typeof en = {
  product: "Puerta",
  title: "Puerta",
  signInTitle: "Inicia sesión para trabajar en la puerta",
  signInText: "Con la cuenta que quien promueve el evento ha invitado como personal.",
  signIn: "Iniciar sesión",
  noWorkTitle: "No trabajas en ningún evento",
  noWorkText: "Quien promueve el evento te invita por tu correo electrónico, que debes confirmar con el enlace de nuestro correo. Si acaba de ocurrir, cierra la sesión y vuelve a entrar.",
  account: "Cuenta",
  otherTabTitle: "La puerta está abierta en otra pestaña",
  otherTabText: "En un dispositivo lee una sola pestaña a la vez. Cierra la otra y esta seguirá.",

  setup: {
    title: "¿Qué puerta es esta?",
    event: "Evento",
    gate: "Acceso",
    gateNote: "Un nombre que uséis todos, como Norte. Se guarda con cada entrada.",
    begin: "Abrir la puerta",
    loading: (tickets) => `Cargando la lista: ${count(tickets, "entrada", "entradas")} por ahora …`,
    keeps:
      "Para seguir sin red, este dispositivo carga la lista de las entradas: nombres, números y huellas de los códigos. Ni códigos, ni direcciones, ni pagos.",
  },

  scanner: {
    title: "Cámara",
    start: "Encender la cámara",
    stop: "Apagar la cámara",
    ready: "Pon el código delante de la cámara.",
    asleep: "La cámara duerme, para ahorrar batería.",
    refused: "No se puede usar la cámara. Permítelo en los ajustes del navegador, o escribe el código.",
    missing: "Aquí no hay cámara. Escribe el código, o usa un lector que escriba.",
  },
  search: {
    label: "Código, nombre o número",
    check: "Comprobar el código",
    letIn: (who) => `Dejar pasar: ${who}`,
    letInShort: "Dejar pasar",
    none: "Nadie en la lista tiene este nombre o número. Aun así se puede comprobar un código.",
    in: (number, of) => (of === 1 ? "está dentro" : `${number} de ${of} están dentro`),
    out: (of) => (of === 1 ? "aún fuera" : `nadie de ${of} está dentro`),
    guestOf: (who) => `acompaña a ${who}`,
  },

  verdict: {
    next: "Siguiente",
    undo: "Deshacer",
    one: "Uno más",
    all: (number) => `Los ${number} restantes`,
    in: (number, of) => `${number} de ${of} dentro`,
    offline: "Lo ha decidido este dispositivo con su lista. Se envía más tarde.",
    first: (when, gate) => `Primera vez: ${when}${gate ? `, acceso ${gate}` : ""}.`,
    device: (name) => `Dispositivo ${name}.`,
    thisDevice: "Fue este dispositivo.",
    opens: (when) => `Las puertas abren el ${when}.`,
  },
  outcomes: {
    admitted: ["Adelante", "La entrada es válida."],
    already_admitted: ["Ya está dentro", "Alguien ya pasó con esta entrada. Pide otra entrada o llama a quien coordina."],
    too_many_people: ["Demasiados", "En esta entrada no quedan tantas personas."],
    wrong_event: ["Otro evento", "Esta entrada es para otro evento."],
    wrong_day: ["Otro día", "El evento es otro día, más tarde."],
    doors_not_open: ["Todavía no", "Es el día correcto, pero las puertas aún no están abiertas."],
    event_over: ["Terminado", "Este evento ha terminado."],
    event_cancelled: ["Cancelado", "Este evento se canceló. No pasa nadie."],
    ticket_refunded: ["Reembolsada", "Esta entrada se reembolsó. No deja pasar a nadie."],
    ticket_void: ["Anulada", "El banco retiró el pago, así que esta entrada no deja pasar a nadie."],
    ticket_frozen: ["En espera", "El pago está en disputa. Hasta que se decida, esta entrada no deja pasar a nadie."],
    code_unknown: ["Desconocido", "Ninguna entrada tiene este código. Léelo otra vez, o escríbelo como está impreso."],
    code_replaced: ["Código antiguo", "La entrada se dio a otra persona, que tiene el código que vale."],
    signature_invalid: ["No es auténtico", "Este código no es nuestro. Pide que muestren la entrada en la cartera."],
    ticket_not_found: ["Desconocida", "Ninguna entrada de este evento tiene este número."],
    not_listed: ["No está en la lista", "Puede que se vendiera después de cargar esta lista, o que sea de otro evento. Prueba otra vez con red."],
    forbidden: ["Sin permiso", "Tu cuenta no trabaja en este evento."],
  },
  unexpected: ["Sin decidir", "Algo inesperado ha fallado. Léelo otra vez."],

  counts: {
    title: "Quién está dentro",
    of: (admitted, expected) => `${admitted.toLocaleString("es")} de ${people(expected)}`,
    noGate: "Sin acceso indicado",
  },
  scans: {
    title: "Últimas lecturas de este dispositivo",
    none: "Ninguna todavía.",
    waiting: "por enviar",
    undoWaiting: "se enviará que se deshizo",
    undone: "deshecha",
    undo: (who) => `Deshacer: ${who}`,
    people,
  },
  conflicts: {
    title: "Revisa estas",
    text: "Estas personas pasaron sin red, y la tienda sabía más. A nadie se le quita nada por sí solo.",
    noted: "Anotado",
    notedOf: (who) => `Anotado: ${who}`,
    at: (when) => `pasó por aquí a las ${when}`,
  },

  state: {
    title: "Este dispositivo",
    online: "Con red: decide la tienda",
    offline: "Sin red: decide este dispositivo con su lista",
    signed_out: "Sin sesión: decide este dispositivo con su lista",
    forbidden: "Tu cuenta no trabaja en este evento",
    signInAgain: "Iniciar sesión otra vez",
    checking: "Preguntando …",
    listFrom: (when, tickets) => `Lista de ${when}: ${count(tickets, "entrada", "entradas")}.`,
    gap: "Lo que se vendió, se reembolsó o se leyó en otro sitio desde entonces no se conoce aquí.",
    incomplete: "La lista no está completa: se interrumpió mientras se cargaba.",
    notKept: "Esta página aún no está guardada. No la vuelvas a cargar mientras no haya red.",
    waiting: (number) => `${scans(number)} por enviar.`,
    refresh: "Preguntar ahora",
    gate: "Acceso",
    saveGate: "Guardar",
    device: (name) => `En los registros este dispositivo se llama ${name}.`,
    keeps: (until) =>
      `Este dispositivo guarda la lista (nombres, números, huellas de códigos) y sus lecturas; el código de una lectura, solo hasta que se envía. La lista se borra cuando dejas la puerta, y como muy tarde cuando esta página se abre después del ${until}.`,
    leave: "Dejar la puerta y borrar la lista",
    leaveBlocked: (number) => `Se perderían ${scans(number)}. Envíalas primero.`,
    leaveAnyway: "Borrarlas de todos modos",
    sound: "Sonido",
    look: "Colores",
    looks: { auto: "Como el dispositivo", light: "Claros, para el sol", dark: "Oscuros, para la noche" },
  },
  lockedTitle: "¿Trabaja aquí esta cuenta?",
  lockedText: "La lista se muestra cuando la tienda confirma que trabajas en este evento. Lo que queda por enviar se guarda.",
};
