/** The texts of the page on which somebody saves a card for a waiting room, in English. */

export const cardTexts = {
  title: "Your card for the waiting room",
  intro: "Each payment card gets one place. Your bank checks the card, and may ask you to confirm it. Nothing is charged, and we do not keep the card: you choose how to pay when you buy.",
  ballotTitle: "Your card for the ballot",
  ballotIntro: "Your bank checks the card, and may ask you to confirm it. Nothing is charged or reserved now. Our payment provider keeps the card until your registration ends, and then deletes it.",
  accept: (amount: string) => `If I get tickets in the draw, you may charge this card once, up to ${amount}, without asking me again. I can withdraw until the draw.`,
  save: "Save the card",
  back: "Back to the waiting room",
  incomplete: "The form is not complete. Check the card's details.",
  simulated: "This shop simulates cards. Choose one:",
  cards: { "card-1": "The first card", "card-2": "The second card", "declined-later": "A card that the bank declines when it is charged", declined: "A card that the bank declines" },
  failures: {
    card_refused: "Your bank has not confirmed this card, and nothing was charged. Check the details or use another card. A card in a wallet, such as Apple Pay, does not work here.",
    rate_limited: "Too many cards have been tried. Wait an hour, then try again.",
    amount_changed: "The prices have changed. Load this page again to see the new amount.",
    card_not_wanted: "This registration has ended, or does not need a card.",
    payments_unavailable: "This shop cannot take cards at the moment. Try again later.",
    waiting_room_stopped: "You can no longer join this waiting room.",
  } as Record<string, string>,
};
