/** What surrounds the pages for those who manage. */

export const shellTexts = {
  product: "Manage",
  navigation: "Manage",
  ofEvent: "This event",
  shop: "To the shop",
  door: "Door",
  account: "Account",
  asBuyer: "See the shop as a buyer",
  overview: "All events",
  paused: "Paused",
  roles: { staff: "Staff", coordinator: "Coordinator", promoter: "Promoter", admin: "Admin" },
  signInTitle: "Sign in to manage events",
  signInText: "These pages are for people who sell tickets or work at an event.",
  nothingTitle: "There is nothing to manage yet",
  nothingText:
    "You are signed in, but you sell no events and work at none. If somebody has invited you, sign out and in again with the address that was invited.",
  mayNotTitle: "This page is not for your role",
  mayNotText: "Ask the promoter of the event if you need it.",
  noEventTitle: "There is no such event",
  noEventText: "It may have been deleted, or the address is not complete.",
  noPageTitle: "There is no such page",
  noPageText: "Check the address, or choose a page of the navigation.",
  loadFailed: "This page could not be loaded. It may be from before an update: load it again.",
  reload: "Load again",
};
