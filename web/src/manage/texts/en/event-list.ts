/** The list of events that a person sells or works at. */

export const eventListTexts = {
  title: "Your events",
  all: "All events",
  create: "New event",
  search: "Search events",
  none: "No events yet",
  noneText: "Create your first event. It stays a draft, which only you and your team can see, until you publish it.",
  noMatch: "No matching events",
  noDate: "No date yet",
  sold: (count: number, capacity: number | null) =>
    capacity === null ? `${count.toLocaleString("en")} sold` : `${count.toLocaleString("en")} of ${capacity.toLocaleString("en")} sold`,
  upcoming: "Upcoming and on sale",
  drafts: "Drafts",
  past: "Past or cancelled",
  leave: "Leave",
  leaveNow: "Yes, leave this event",
  leaveText: "You will no longer have access to this event. To come back, you need a new invitation.",
};
