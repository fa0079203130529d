/** The list of events that somebody manages or works at. */

export const eventListTexts = {
  title: "Your events",
  all: "All events",
  create: "New event",
  search: "Find an event",
  none: "No events yet",
  noneText: "Create your first one: it stays a draft, which only you and your team see, until you publish it.",
  noneFits: "No event fits",
  noDate: "No date yet",
  upcoming: "Upcoming and on sale",
  drafts: "Drafts",
  over: "Over or cancelled",
};
