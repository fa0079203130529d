/** The texts of the page on which somebody saves a card for a waiting room, in English. */

export const cardTexts = {
  title: "Your card for the waiting room",
  intro: "Each payment card gets one place. Your bank confirms the card, and may ask you. Nothing is charged, and we do not keep the card: you choose how to pay when you buy.",
  save: "Save the card",
  back: "Back to the waiting room",
  incomplete: "The form is not complete. Check the card's details.",
  simulated: "This shop simulates cards. Choose one:",
  cards: { "card-1": "The first card", "card-2": "The second card", declined: "A card that the bank declines" },
  failures: {
    card_refused: "Your bank has not confirmed this card, and nothing was charged. Check the details or use another card. A card in a wallet, such as Apple Pay, does not work here.",
    rate_limited: "Too many cards were tried. Wait an hour, then try again.",
    payments_unavailable: "This shop cannot take cards at the moment. Try again later.",
    waiting_room_stopped: "You can no longer join this waiting room.",
  } as Record<string, string>,
};
