/** The texts of the page of a ballot, in German. */

import type { ballotTexts as english } from "./en-ballot";

export const ballotTexts: typeof english = {
  closes: (time) => `Anmeldeschluss: ${time}`,
  intro: "Sagen Sie uns, welche Tickets Sie möchten und wie viele. Bei der Ziehung bekommen alle einen zufälligen Platz, und wir bieten die Tickets in dieser Reihenfolge an. Wenn Sie ein Angebot bekommen, haben Sie einen Tag Zeit zum Bezahlen. Jetzt zahlen Sie nichts, und bis zur Ziehung können Sie sich abmelden.",
  first: "Schritt 1 von 2: An der Ziehung teilnehmen",
  join: "Teilnehmen",
  second: "Schritt 2 von 2: Ihre Wünsche",
  secondNote: "Erst wenn Sie Ihre Wünsche gesendet haben, sind Sie angemeldet.",
  register: "Anmelden",
  change: "Um Ihre Wünsche zu ändern, melden Sie sich hier ab und dann neu an.",
  closed: "Die Anmeldung ist geschlossen",
  closedNote: "Sie können sich auf die Warteliste setzen. Tickets gehen zuerst an Personen, die an der Ziehung teilgenommen haben.",
  cards: {
    optional: "Nachdem Sie Ihre Wünsche gesendet haben, können Sie eine Karte hinterlegen. Wenn Sie bei der Ziehung Tickets bekommen, belasten wir die Karte, und Sie müssen nichts weiter tun.",
    required: "Nachdem Sie Ihre Wünsche gesendet haben, hinterlegen Sie eine Karte. Wenn Sie bei der Ziehung Tickets bekommen, belasten wir die Karte. Ohne Karte nehmen Sie nicht teil.",
  },
  cardMissing: {
    optional: "Möchten Sie eine Karte hinterlegen? Wenn Sie bei der Ziehung Tickets bekommen, belasten wir die Karte, und Sie müssen nicht innerhalb eines Tages bezahlen.",
    required: "Ein Schritt fehlt: Hinterlegen Sie eine Karte. Ohne sie nehmen Sie nicht an der Ziehung teil. Wir belasten sie nur, wenn Sie bei der Ziehung Tickets bekommen.",
  },
  cardSaved: (amount) => `Ihre Karte ist hinterlegt. Wenn Sie bei der Ziehung Tickets bekommen, belasten wir die Karte einmal, mit höchstens ${amount}.`,
  saveCard: "Karte hinterlegen",
  otherCard: "Andere Karte verwenden",
  people: (count) => (count === 1 ? "1 Person nimmt teil" : `${count.toLocaleString("de")} Personen nehmen teil`),
  numbers: (count) => (count === 1 ? "1 Nummer ist in der Ziehung" : `${count.toLocaleString("de")} Nummern sind in der Ziehung`),
  oddsRule: "Wer in früheren Verlosungen dieses Veranstalters nicht gezogen wurde, hat in dieser Ziehung bis zu fünf Nummern. Die beste zählt.",
  odds: (weight) =>
    weight === 1
      ? "Sie haben in dieser Ziehung eine Nummer. Wenn Sie nicht gezogen werden, haben Sie in der nächsten Verlosung dieser Art bei diesem Veranstalter zwei Nummern."
      : `Sie haben in dieser Ziehung ${weight} Nummern, weil Sie in ${weight === 2 ? "einer früheren Verlosung" : `${weight === 5 ? "mindestens " : ""}${weight - 1} früheren Verlosungen`} dieses Veranstalters nicht gezogen wurden. Die beste zählt.`,
  failures: {
    token_of_another_user: "Sie haben mit einer anderen Identität teilgenommen. Bitte nehmen Sie mit diesem Konto noch einmal teil.",
    waiting_room_cleared: "Die Verlosung wurde zurückgesetzt. Bitte nehmen Sie noch einmal teil.",
  },
};
