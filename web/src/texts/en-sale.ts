/** The state of a sale, for the shop and for the widget on other websites. */

export const saleTexts = {
  from: (price: string) => `from ${price}`,
  free: "Free",
  salesFrom: (when: string) => `On sale from ${when}`,
  status: {
    on_sale: "On sale",
    paused: "Paused",
    scheduled: "Opens soon",
    sold_out: "Sold out",
    closed: "Sale closed",
    cancelled: "Cancelled",
    draft: "Draft",
    test: "Test",
  },
};
