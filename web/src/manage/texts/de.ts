/** The German texts of the pages for managers. */

import type { en } from "./en";
import { adminTexts } from "./de/admin";
import { attendeeTexts } from "./de/attendees";
import { bankTransferTexts } from "./de/bank-transfers";
import { casesTexts } from "./de/cases";
import { catalogTexts } from "./de/catalog";
import { disputeTexts } from "./de/disputes";
import { eventListTexts } from "./de/event-list";
import { eventTexts } from "./de/events";
import { failureTexts } from "./de/failures";
import { fieldTexts } from "./de/fields";
import { formTexts } from "./de/forms";
import { historyTexts } from "./de/history";
import { liveTexts } from "./de/live";
import { messagesTexts } from "./de/messages";
import { ordersTexts } from "./de/orders";
import { pageNames } from "./de/pages";
import { payoutTexts } from "./de/payouts";
import { peopleTexts } from "./de/people";
import { pictureTexts } from "./de/pictures";
import { activityTexts, apiKeyTexts, brandTexts, defaultTaxesTexts, legalTextsTexts, paymentAccountTexts, profileTexts } from "./de/profile";
import { promoTexts } from "./de/promo-codes";
import { providerTexts } from "./de/providers";
import { salesTexts } from "./de/sales";
import { shellTexts } from "./de/shell";
import { ticketTexts } from "./de/tickets";
import { usersTexts } from "./de/users";
import { waitlistTexts } from "./de/waitlist";
import { webhookTexts } from "./de/webhooks";

export const de: typeof en = {
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
