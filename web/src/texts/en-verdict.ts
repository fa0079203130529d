/** What this browser says about a draw, in English. */

export const verdictTexts = {
  page: "Public page of this draw",
  listed: "Your browser has also checked the list of all numbers, which was published before the key: your number is on it.",
  verdicts: {
    fair: {
      title: "Your place was drawn fairly",
      text: "Nobody, not even us, could replace the key that decides the order: your browser saved its fingerprint before the draw, and the key matches. Your place follows from this key.",
    },
    noted: {
      title: "The draw passed the check",
      text: "Nobody, not even us, could replace the key that decides the order: your browser saved its fingerprint before the draw, and the key matches.",
    },
    unseen: {
      title: "The key matches the published fingerprint",
      text: "The order follows from this key. But your browser first saw the fingerprint after the draw, so it cannot tell whether the key had been replaced by then. Compare the fingerprint with a copy that somebody saved earlier.",
    },
    before: {
      title: "The draw has not taken place yet",
      text: "When the sale opens, everyone in the draw gets a random place. Your browser has saved the fingerprint of the key that will decide the order, and will then check that we use this key.",
    },
    off: { title: "There is no draw", text: "The event ended or was cancelled before the sale opened, so no places are drawn." },
    empty: { title: "Nobody was in the draw", text: "Nobody was in the waiting room when the draw took place. People get places in the order in which they join." },
    late: {
      title: "You joined after the draw",
      text: "You were not in the draw, because it had closed when you joined. Your place comes after everyone who was drawn, in the order of joining.",
    },
    unlisted: {
      title: "Warning: your number is not on the published list",
      text: "The list that the shop published before the draw does not have your number, so you may not be let in. Please take a screenshot of this page, report it to us, and join the waiting room again.",
    },
    broken: {
      title: "Warning: the draw does not match what was published",
      text: "The key that decides the order, or the list of numbers, seems to have been replaced, so you cannot rely on this draw. Please take a screenshot of this page and report it to us.",
    },
  },
};
