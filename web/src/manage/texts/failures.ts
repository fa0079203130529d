/** What is said about refusals that only these pages meet, by the API's codes: what it means, and what to do. */

const en: Record<string, string> = {
  forbidden: "Your role does not allow this. Ask the promoter of the event.",
  version_conflict: "Somebody has changed this meanwhile.",
  precondition_failed: "Somebody has changed this meanwhile. Look at it as it is now, and try again.",
  catalog_changing: "Others are changing events at this moment. Try again.",
  managed_by_bootstrap: "This event is managed by the bootstrap file. Change it there and apply the file.",
  event_incomplete: "Something is missing for the sale.",
  event_has_sales: "Tickets are sold or reserved. Cancel the event instead: buyers get their money back.",
  event_not_draft: "Only drafts can be deleted. Make the event a draft again first.",
  event_cancelled: "This event was cancelled, which cannot be undone. Create a new one.",
  capacity_needs_draft: "The first capacity of an event can only be set while it is a draft.",
  capacity_too_small: "Fewer tickets than are sold and reserved are not possible.",
  tier_has_sales: "Some of these tickets are sold or reserved. Stop their sale instead of deleting them.",
  package_has_sales: "Some of these tickets are sold or reserved. Stop their sale instead of deleting them.",
  tier_name_taken: "This event already has a ticket with that name. Choose another one.",
  invalid_amount: "Enter an amount with no more digits than the currency has, such as 25 or 25.50.",
  invalid_currency: "Enter the three letters of a currency, such as USD.",
  too_many_options: "Four questions are the most.",
  stale_order: "Somebody has added, deleted or moved tickets meanwhile. This is the order now: move yours again.",
  too_many_tiers: "An event can have 98 kinds of tickets.",
};

const es: typeof en = {
  forbidden: "Tu función no lo permite. Pídelo a quien promueve el evento.",
  version_conflict: "Alguien lo ha cambiado mientras tanto.",
  precondition_failed: "Alguien lo ha cambiado mientras tanto. Mira cómo está ahora y vuelve a intentarlo.",
  catalog_changing: "Otras personas están cambiando eventos en este momento. Vuelve a intentarlo.",
  managed_by_bootstrap: "Este evento se gestiona con el archivo bootstrap. Cámbialo allí y aplica el archivo.",
  event_incomplete: "Falta algo para la venta.",
  event_has_sales: "Hay entradas vendidas o reservadas. Cancela el evento: los compradores recuperan su dinero.",
  event_not_draft: "Solo se pueden eliminar borradores. Antes, vuelve a poner el evento en borrador.",
  event_cancelled: "Este evento se canceló, y eso no se puede deshacer. Crea uno nuevo.",
  capacity_needs_draft: "El primer aforo de un evento solo se puede fijar mientras es un borrador.",
  capacity_too_small: "No puede haber menos entradas que las vendidas y reservadas.",
  tier_has_sales: "Algunas de estas entradas están vendidas o reservadas. Detén su venta en lugar de eliminarlas.",
  package_has_sales: "Algunas de estas entradas están vendidas o reservadas. Detén su venta en lugar de eliminarlas.",
  tier_name_taken: "Este evento ya tiene una entrada con ese nombre. Elige otro.",
  invalid_amount: "Indica un importe con los decimales que tiene la moneda, por ejemplo 25 o 25,50.",
  invalid_currency: "Indica las tres letras de una moneda, por ejemplo USD.",
  too_many_options: "Cuatro preguntas es lo máximo.",
  stale_order: "Alguien ha añadido, eliminado o movido entradas mientras tanto. Este es el orden ahora: vuelve a mover la tuya.",
  too_many_tiers: "Un evento puede tener 98 tipos de entradas.",
};

export const failureTexts = { en, es };
