/** The English texts of the pages for managers. */

import { adminTexts } from "./en/admin";
import { attendeeTexts } from "./en/attendees";
import { bankTransferTexts } from "./en/bank-transfers";
import { casesTexts } from "./en/cases";
import { catalogTexts } from "./en/catalog";
import { disputeTexts } from "./en/disputes";
import { eventListTexts } from "./en/event-list";
import { eventTexts } from "./en/events";
import { failureTexts } from "./en/failures";
import { fieldTexts } from "./en/fields";
import { formTexts } from "./en/forms";
import { historyTexts } from "./en/history";
import { liveTexts } from "./en/live";
import { messagesTexts } from "./en/messages";
import { ordersTexts } from "./en/orders";
import { pageNames } from "./en/pages";
import { payoutTexts } from "./en/payouts";
import { peopleTexts } from "./en/people";
import { pictureTexts } from "./en/pictures";
import { activityTexts, apiKeyTexts, brandTexts, defaultTaxesTexts, legalTextsTexts, paymentAccountTexts, profileTexts } from "./en/profile";
import { promoTexts } from "./en/promo-codes";
import { providerTexts } from "./en/providers";
import { salesTexts } from "./en/sales";
import { shellTexts } from "./en/shell";
import { ticketTexts } from "./en/tickets";
import { usersTexts } from "./en/users";
import { waitlistTexts } from "./en/waitlist";
import { webhookTexts } from "./en/webhooks";

export const en = {
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
