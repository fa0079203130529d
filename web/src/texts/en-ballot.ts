/** The texts of the page of a ballot, in English. */

export const ballotTexts = {
  closes: (time: string) => `Registration closes: ${time}`,
  intro: "Tell us which tickets you would like, and how many. In the draw, everyone gets a random place, and we offer the tickets in that order. If you get an offer, you have a day to pay. You pay nothing now, and you can withdraw until the draw.",
  first: "Step 1 of 2: Take part in the draw",
  join: "Take part",
  second: "Step 2 of 2: Your choices",
  secondNote: "You are not registered until you send your choices.",
  register: "Register",
  change: "To change your choices, withdraw here and register again.",
  closed: "Registration has closed",
  closedNote: "You can join the waitlist. People who took part in the draw are offered tickets first.",
  cards: {
    optional: "After you have sent your choices, you can save a card. If you get tickets in the draw, we charge the card and you have nothing more to do.",
    required: "After you have sent your choices, you save a card. If you get tickets in the draw, we charge the card. Without a card, you are not in the draw.",
  },
  cardMissing: {
    optional: "Would you like to save a card? If you get tickets in the draw, we charge the card, so you do not have to pay within a day.",
    required: "One step is missing: save a card. Without it, you are not in the draw. We charge it only if you get tickets in the draw.",
  },
  cardSaved: (amount: string) => `Your card is saved. If you get tickets in the draw, we charge the card once, at most ${amount}.`,
  saveCard: "Save a card",
  otherCard: "Use another card",
  people: (count: number) => `${count.toLocaleString("en")} ${count === 1 ? "person is" : "people are"} taking part`,
  numbers: (count: number) => `${count.toLocaleString("en")} ${count === 1 ? "number is" : "numbers are"} in the draw`,
  oddsRule: "People who were not drawn in this promoter's earlier ballots have up to five numbers in this draw. The best one counts.",
  odds: (weight: number) =>
    weight === 1
      ? "You have one number in this draw. If you are not drawn, you will have two numbers in this promoter's next ballot of this kind."
      : `You have ${weight} numbers in this draw, because you were not drawn in ${weight === 5 ? "at least " : ""}${weight - 1} of this promoter's earlier ballots. The best one counts.`,
  failures: {
    token_of_another_user: "You took part as a different user. Please take part again with this account.",
    waiting_room_cleared: "The ballot was reset. Please take part again.",
  } as Record<string, string>,
};
