/** The Spanish texts of the pages for managers. */

import type { en } from "./en";
import { adminTexts } from "./es/admin";
import { attendeeTexts } from "./es/attendees";
import { bankTransferTexts } from "./es/bank-transfers";
import { casesTexts } from "./es/cases";
import { catalogTexts } from "./es/catalog";
import { disputeTexts } from "./es/disputes";
import { eventListTexts } from "./es/event-list";
import { eventTexts } from "./es/events";
import { failureTexts } from "./es/failures";
import { fieldTexts } from "./es/fields";
import { formTexts } from "./es/forms";
import { historyTexts } from "./es/history";
import { liveTexts } from "./es/live";
import { messagesTexts } from "./es/messages";
import { ordersTexts } from "./es/orders";
import { pageNames } from "./es/pages";
import { payoutTexts } from "./es/payouts";
import { peopleTexts } from "./es/people";
import { pictureTexts } from "./es/pictures";
import { activityTexts, apiKeyTexts, brandTexts, defaultTaxesTexts, legalTextsTexts, paymentAccountTexts, profileTexts } from "./es/profile";
import { promoTexts } from "./es/promo-codes";
import { providerTexts } from "./es/providers";
import { salesTexts } from "./es/sales";
import { shellTexts } from "./es/shell";
import { ticketTexts } from "./es/tickets";
import { usersTexts } from "./es/users";
import { waitlistTexts } from "./es/waitlist";
import { webhookTexts } from "./es/webhooks";

export const es: typeof en = {
  activity: activityTexts,
  admin: adminTexts,
  apiKeys: apiKeyTexts,
  attendees: attendeeTexts,
  bankTransfers: bankTransferTexts,
  brand: brandTexts,
  cases: casesTexts,
  catalog: catalogTexts,
  disputes: disputeTexts,
  eventList: eventListTexts,
  events: eventTexts,
  failures: failureTexts,
  fields: fieldTexts,
  forms: formTexts,
  history: historyTexts,
  live: liveTexts,
  messages: messagesTexts,
  orders: ordersTexts,
  pages: pageNames,
  payouts: payoutTexts,
  people: peopleTexts,
  pictures: pictureTexts,
  defaultTaxes: defaultTaxesTexts,
  legalTexts: legalTextsTexts,
  paymentAccount: paymentAccountTexts,
  profile: profileTexts,
  promoCodes: promoTexts,
  providers: providerTexts,
  sales: salesTexts,
  shell: shellTexts,
  tickets: ticketTexts,
  users: usersTexts,
  waitlist: waitlistTexts,
  webhooks: webhookTexts,
};
