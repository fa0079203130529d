/** The texts about signing in with an authenticator app, in German. */

import type { secondFactorTexts as english } from "./en-second-factor";

export const secondFactorTexts: typeof english = {
  title: "Anmeldung in zwei Schritten",
  off: "Mit einer Authenticator-App kann sich niemand anmelden, der nur Ihr Passwort kennt.",
  lacking: "Dieser Shop verlangt von allen, die Events verwalten, einen zweiten Schritt. Bis Sie ihn eingerichtet haben, können Sie kaufen, aber nicht verwalten.",
  on: "Sie ist eingeschaltet: Beim Anmelden fragen wir nach einem Code Ihrer Authenticator-App.",
  begin: "App einrichten",
  another: "Andere App verwenden",
  scan: "Scannen Sie dieses Bild mit Ihrer Authenticator-App, oder tippen Sie den Schlüssel ein. Geben Sie dann die sechs Ziffern ein, die die App anzeigt.",
  qr: "QR-Code mit dem Schlüssel darunter",
  key: "Schlüssel",
  digits: "Sechs Ziffern",
  confirm: "Einschalten",
  codesTitle: "Ihre Ersatzcodes",
  codesText: "Wenn Sie Ihr Telefon verlieren, ersetzt jeder dieser Codes einmal die App. Wir zeigen sie nur jetzt: Drucken Sie sie aus, oder bewahren Sie sie bei Ihren Passwörtern auf. Alle Ihre anderen Geräte wurden abgemeldet.",
  saved: "Ich habe sie gespeichert",
  remove: "Ausschalten",
  removeNow: "Jetzt ausschalten",
  code: "Code aus der App oder ein Ersatzcode",
  appCode: "Code aus Ihrer Authenticator-App",
  appCodeNote: "Oder einer Ihrer Ersatzcodes.",
  failures: {
    second_factor_required: "Dieser Code ist falsch oder wurde schon benutzt. Geben Sie den ein, den Ihre Authenticator-App jetzt anzeigt, oder einen Ihrer Ersatzcodes.",
    no_second_factor: "Ihr Konto hat keine Authenticator-App, oder sie wurde gerade geändert. Beginnen Sie noch einmal.",
    address_not_verified: "Bestätigen Sie zuerst Ihre E-Mail-Adresse: Öffnen Sie den Link in unserer E-Mail. Oben können wir sie noch einmal senden.",
  },
};
