/** Orders that are paid by bank transfer. */

import type { bankTransferTexts as english } from "../en/bank-transfers";

const rows = (count: number) => (count === 1 ? "1 transferencia" : `${count.toLocaleString("es")} transferencias`);

export const bankTransferTexts: typeof english = {
  title: "Transferencias bancarias",
  lead: "Anota cada transferencia tal como la muestra tu banco. Al completarse el pago, se envían las entradas.",
  reference: "Concepto de la transferencia, con el número de pedido",
  amount: (currency) => `Importe (${currency})`,
  amountNote: "Con signo menos si es dinero que has devuelto.",
  date: "Fecha en el extracto",
  dateNote: "La misma fecha y el mismo importe se anotan una sola vez por pedido.",
  record: "Anotar la transferencia",
  fileNote: "O elige el extracto de tu banco en CSV, con las columnas reference, amount y date. Los demás pagos del archivo se ignoran. Incluye todas las transferencias de cada día.",
  file: "Elegir un extracto",
  results: {
    recorded: (count) => `${rows(count)}: anotadas ahora.`,
    known: (count) => `${rows(count)}: ya estaban anotadas.`,
    no_order: (count) => `${rows(count)}: sin número de pedido de este evento.`,
    several_orders: (count) => `${rows(count)}: con varios números de pedido. Anota la parte que corresponde a cada pedido.`,
    no_refund: (count) => `${rows(count)}: enviadas a compradores, pero no hay ningún reembolso pendiente de ese importe.`,
    too_many: (count) => `${rows(count)}: sin anotar, porque el pedido ya tiene 100 transferencias. Devuelve ese dinero.`,
    failed: (count) => `${rows(count)}: sin anotar, porque la tienda no puede leer o guardar el pedido. Avisa a la tienda y vuelve a elegir el archivo más tarde.`,
  },
  none: "Todavía no hay transferencias",
  noneText: "Indica en un código promocional los «Días para pagar por transferencia». Aquí verás los pedidos que se paguen así.",
  received: (amount, total) => `Recibidos ${amount} de ${total}`,
  until: (when) => `entradas guardadas hasta el ${when}`,
  cancel: "Cancelar el pedido",
  cancelText: "Sus entradas se liberan enseguida y el comprador recibe un correo. Tienes que devolver lo que haya llegado.",
  toReturn: (amount) => `Devuelve ${amount} al comprador y anótalo aquí con signo menos.`,
};
