import type { saleTexts as english } from "./en-sale";

export const saleTexts: typeof english = {
  from: (price) => `desde ${price}`,
  free: "Gratis",
  salesFrom: (when) => `A la venta a partir del ${when}`,
  status: {
    on_sale: "A la venta",
    paused: "En pausa",
    scheduled: "Próximamente",
    sold_out: "Agotado",
    closed: "Venta cerrada",
    cancelled: "Cancelado",
    draft: "Borrador",
    test: "Prueba",
  },
};
