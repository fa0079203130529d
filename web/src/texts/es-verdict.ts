/** What this browser says about a draw, in Spanish. */

import type { verdictTexts as english } from "./en-verdict";

export const verdictTexts: typeof english = {
  page: "Página pública de este sorteo",
  listed: "Tu navegador también ha comprobado la lista de todos los números, que se publicó antes que la clave: tu número está en ella.",
  verdicts: {
    fair: {
      title: "Tu puesto se sorteó de forma justa",
      text: "Nadie, ni siquiera nosotros, pudo cambiar la clave que decide el orden: tu navegador guardó su huella antes del sorteo y la clave coincide. Tu puesto sale de esa clave.",
    },
    noted: {
      title: "El sorteo supera la comprobación",
      text: "Nadie, ni siquiera nosotros, pudo cambiar la clave que decide el orden: tu navegador guardó su huella antes del sorteo y la clave coincide.",
    },
    unseen: {
      title: "La clave coincide con la huella publicada",
      text: "El orden sale de esa clave. Pero tu navegador vio la huella por primera vez después del sorteo, así que no puede saber si la clave se cambió antes. Compara la huella con una copia que alguien guardara con anterioridad.",
    },
    before: {
      title: "Todavía no se ha hecho el sorteo",
      text: "Al abrir la venta, cada persona del sorteo recibe un puesto al azar. Tu navegador ha guardado la huella de la clave que decidirá el orden y comprobará entonces que usamos esa clave.",
    },
    off: { title: "No hay sorteo", text: "El evento terminó o se canceló antes de abrir la venta, así que no se sortea ningún puesto." },
    empty: { title: "No había nadie en el sorteo", text: "No había nadie en la sala de espera en el momento del sorteo. Los puestos se dan por orden de llegada." },
    late: {
      title: "Entraste después del sorteo",
      text: "No participaste en el sorteo porque ya estaba cerrado cuando entraste. Tu puesto va después de todos los sorteados, por orden de llegada.",
    },
    unlisted: {
      title: "Atención: tu número no está en la lista publicada",
      text: "La lista que la tienda publicó antes del sorteo no incluye tu número, así que puede que no te dejen pasar. Haz una captura de pantalla, avísanos y vuelve a entrar en la sala de espera.",
    },
    broken: {
      title: "Atención: el sorteo no coincide con lo publicado",
      text: "Parece que se ha cambiado la clave que decide el orden, o la lista de números, así que no puedes fiarte de este sorteo. Haz una captura de pantalla y avísanos, por favor.",
    },
  },
};
