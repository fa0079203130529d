/** What the door says, in English. */

const plural = new Intl.PluralRules("en");
const count = (number: number, one: string, many: string) => `${number.toLocaleString("en")} ${plural.select(number) === "one" ? one : many}`;
const people = (number: number) => count(number, "person", "people");
const scans = (number: number) => count(number, "scan", "scans");

export const en = {
  product: "Door",
  title: "Door",
  signInTitle: "Sign in to work at the door",
  signInText: "With the account that the promoter has invited as staff.",
  signIn: "Sign in",
  noWorkTitle: "You work at no event",
  noWorkText: "The promoter invites you by your e-mail address, which you have to confirm by the link in our mail. If that has just happened, sign out and in again.",
  account: "Account",
  otherTabTitle: "The door is open in another tab",
  otherTabText: "One tab of a device scans at a time. Close the other one, and this one goes on.",

  setup: {
    title: "Which door is this?",
    event: "Event",
    gate: "Gate",
    gateNote: "A name that you all use, such as North. It is kept with each check-in.",
    begin: "Open the door",
    loading: (tickets: number) => `Loading the list: ${count(tickets, "ticket", "tickets")} so far …`,
    keeps:
      "To go on without a network, this device loads the list of the tickets: names, numbers and fingerprints of the codes. No codes, no addresses, no payments.",
  },

  scanner: {
    title: "Camera",
    start: "Start the camera",
    stop: "Stop the camera",
    ready: "Hold the code in front of the camera.",
    asleep: "The camera sleeps, to save the battery.",
    refused: "The camera may not be used. Allow it in the settings of the browser, or type the code.",
    missing: "There is no camera here. Type the code, or use a scanner that types.",
  },
  search: {
    label: "Code, name or number",
    check: "Check the code",
    letIn: (who: string) => `Let in: ${who}`,
    letInShort: "Let in",
    none: "Nobody on the list has this name or number. A code can be checked all the same.",
    in: (number: number, of: number) => (of === 1 ? "is in" : `${number} of ${of} are in`),
    out: (of: number) => (of === 1 ? "not in yet" : `nobody of ${of} is in yet`),
    guestOf: (who: string) => `guest of ${who}`,
  },

  verdict: {
    next: "Next",
    undo: "Undo",
    one: "One more",
    all: (number: number) => `All ${number} more`,
    in: (number: number, of: number) => `${number} of ${of} in`,
    offline: "Decided on this device, by its list. It is sent later.",
    first: (when: string, gate: string | null) => `First at ${when}${gate ? `, gate ${gate}` : ""}.`,
    device: (name: string) => `Device ${name}.`,
    thisDevice: "It was this device.",
    opens: (when: string) => `The doors open on ${when}.`,
  },
  /** By what a scan came to: a word that can be read from afar, and what to do. */
  outcomes: {
    admitted: ["Come in", "The ticket is good."],
    already_admitted: ["Already in", "Somebody came in with this ticket before. Ask for another ticket, or call the supervisor."],
    too_many_people: ["Too many", "So many people are not left on this ticket."],
    wrong_event: ["Other event", "This ticket is for another event."],
    wrong_day: ["Other day", "The event is on a later day."],
    doors_not_open: ["Not yet", "It is the right day, but the doors are not open yet."],
    event_over: ["Over", "This event is over."],
    event_cancelled: ["Cancelled", "This event was cancelled. Nobody is let in."],
    ticket_refunded: ["Refunded", "This ticket was refunded. It lets nobody in."],
    ticket_void: ["Void", "The bank took the payment back, so this ticket lets nobody in."],
    ticket_frozen: ["On hold", "The payment is disputed. Until that is decided, this ticket lets nobody in."],
    code_unknown: ["Unknown", "No ticket has this code. Scan it again, or type it as it is printed."],
    code_replaced: ["Old code", "The ticket was given to somebody else, who has the code that counts."],
    signature_invalid: ["Not genuine", "This code was not made by us. Ask for the ticket in the wallet."],
    ticket_not_found: ["Unknown", "No ticket of this event has this id."],
    not_listed: ["Not on the list", "It may have been sold after this list was loaded, or be for another event. Try again with a network."],
  } as Record<string, [title: string, text: string]>,
  unexpected: ["Not decided", "Something unexpected went wrong. Scan it again."] as [title: string, text: string],

  counts: {
    title: "Who is in",
    of: (admitted: number, expected: number) => `${admitted.toLocaleString("en")} of ${people(expected)}`,
    noGate: "No gate named",
  },
  scans: {
    title: "Last scans of this device",
    none: "None yet.",
    waiting: "to be sent",
    undoWaiting: "undo to be sent",
    undone: "undone",
    undo: (who: string) => `Undo: ${who}`,
    people,
  },
  conflicts: {
    title: "Look into these",
    text: "These people came in without a network, and the shop knew better. Nothing is taken away from anybody by itself.",
    noted: "Noted",
    notedOf: (who: string) => `Noted: ${who}`,
    at: (when: string) => `let in here at ${when}`,
  },

  state: {
    title: "This device",
    online: "Online: the shop decides",
    offline: "No network: this device decides by its list",
    signed_out: "Signed out: this device decides by its list",
    forbidden: "Your account does not work at this event",
    signInAgain: "Sign in again",
    checking: "Asking …",
    listFrom: (when: string, tickets: number) => `List of ${when}: ${count(tickets, "ticket", "tickets")}.`,
    gap: "What was sold, refunded or scanned elsewhere since then is not known here.",
    incomplete: "The list is not complete: it was interrupted while it was loaded.",
    notKept: "This page is not kept yet. Do not reload it while there is no network.",
    waiting: (number: number) => `${scans(number)} to be sent.`,
    refresh: "Ask now",
    gate: "Gate",
    saveGate: "Save",
    device: (name: string) => `In the records this device is called ${name}.`,
    keeps: (until: string) =>
      `This device keeps the list (names, numbers, fingerprints of codes) and its scans; the code of a scan only until it is sent. The list is deleted when you leave the door, at the latest when this page is opened after ${until}.`,
    leave: "Leave the door and delete the list",
    leaveBlocked: (number: number) => `${scans(number)} would be lost. Send them first.`,
    leaveAnyway: "Delete them all the same",
    sound: "Sound",
    look: "Colours",
    looks: { auto: "As the device", light: "Light, for the sun", dark: "Dark, for the night" },
  },
  lockedTitle: "Does this account work here?",
  lockedText: "Somebody else opened this door. Its list is shown again when the shop has confirmed that you work at this event.",
};
