/**
 * The add-ons of the stage that the pages are built for. Vite replaces each name by true or false (vite.config.ts), so what belongs to an
 * add-on that is off is not built.
 */
declare const ADDONS: {
  readonly documents: boolean;
  readonly images: boolean;
  readonly messages: boolean;
  readonly outgoing_webhooks: boolean;
  readonly packages: boolean;
  readonly reports: boolean;
  readonly waitlist: boolean;
  readonly wallets: boolean;
};
