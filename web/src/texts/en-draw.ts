/** The texts about the draw, in English. */

const plural = new Intl.PluralRules("en");
const numbers = (count: number) => `${count.toLocaleString("en")} ${plural.select(count) === "one" ? "number" : "numbers"}`;

export const drawTexts = {
  title: "The draw",
  noRoom: "This event has no waiting room, so there is no draw.",
  opensAt: "The draw takes place when the sale opens",
  openedAt: "The draw took place when the sale opened",
  drawn: "Numbers in the draw",
  closesAt: "The draw closes",
  closedAt: "The draw closed",
  entry: "Who gets a place",
  entries: { open: "Everybody", verified_address: "One place for each confirmed email address", account: "Accounts only, one place for each confirmed email address", access_code: "Only with a code from the promoter, which admits as many people as it says" },
  excluded: {
    address_used: "Joined with an email address that had a place already, and got that place",
    address_required: "Refused for lack of a confirmed email address",
    account_required: "Refused for lack of an account",
    code_required: "Refused for lack of a code",
    code_invalid: "Refused because of a wrong or expired code",
    code_used: "Refused because others had used up the code",
  },
  fingerprint: "Fingerprint of the key",
  root: "Fingerprint of the list of numbers",
  round: "Round of the public random number",
  keepFingerprint: "Save or publish this fingerprint now. After the draw, anyone with a copy can tell whether we used the same key. Your browser has saved it too: open this page again in the same browser after the draw to see the result.",
  how: "How the draw works",
  story: [
    {
      title: "We seal a key before anyone joins",
      text: "The key is a very long random number, and it will decide the order. We keep it secret, as if in a sealed envelope, and publish only its fingerprint: a code that belongs to this one key and does not reveal it. If we replaced the key later, the new key would not match the fingerprint, and everyone could see that.",
    },
    {
      title: "Everyone who joins gets a number",
      text: "The number is not your place in line. The last number is as likely to get the first place as number 1, so it makes no difference whether you join early or late. Buyers cannot know or choose their place, because the key is secret. Shortly before the sale opens, the draw closes, and we publish a list of who has which number, without names. Nobody can exchange numbers after that.",
    },
    {
      title: "When the sale opens, we open the envelope",
      text: "Nobody can join the draw any more: people who come later get places after it. We publish the key. A calculation that anyone can read in advance then puts all the numbers in order. It uses only the key and how many numbers there are. Each number gets one place, and each place goes to one number. Anyone can repeat the calculation and will get the same order.",
    },
  ],
  beaconStory:
    "For this draw, the key alone does not decide. Once the list is published, we wait for a random number that a network of independent organizations, drand, publishes every three seconds. Which of these numbers counts follows from the time at which the draw closed, and is announced with the list. The key and this number decide the order together, so nobody could know it before, not even us.",
  why: "That is why it is fair: the key was fixed before there was anybody to favor, and everyone can check that it was used.",
  limits: "What the check does not prove",
  limitsIntro: "The check shows that the order follows from the sealed key. It does not show:",
  limitsList: [
    { title: "How many people took part.", text: "A person with several accounts, or a program, may have had several numbers, and a few numbers may belong to nobody, for example if a connection broke." },
    {
      title: "Who had which number.",
      text: "We could have taken numbers ourselves before the sale opened, and given the ones with good places to somebody afterwards. You have to trust that we did not.",
    },
    {
      title: "That nobody here looked at the key.",
      text: "Our system stores it until the sale opens. Somebody with access could have worked out the order in advance, and could have changed it by adding numbers at the last moment.",
    },
    { title: "What happens outside this waiting room.", text: "The check does not cover tickets that were never sold here, such as tickets for guests of the artist." },
  ],
  listedLimit: {
    title: "That everyone on the list is a real person.",
    text: "The list shows that no number changed hands after it was published. We could have put invented people on it before that.",
  },
  beaconLimit: {
    title: "That nobody told us the public random number early.",
    text: "Most of the independent organizations would have had to work together for that.",
  },
  resetTitle: "What came before a reset.",
  reset: (times: number) =>
    `This waiting room was reset ${times === 1 ? "once" : `${times.toLocaleString("en")} times`}. A reset makes a new key, and everyone has to join again. Earlier fingerprints and places no longer count.`,
  details: "Technical details: check it yourself",
  noted: "Before the draw, your browser saved this fingerprint of the key:",
  published: "This is the published fingerprint of the key. Your browser first saw it after the draw, so compare it with a copy that somebody saved before the draw:",
  replaced: "The shop now shows a different fingerprint:",
  notYet: "When the sale opens, the key appears here, and your browser checks that it matches the fingerprint.",
  listed: "Before the key, the shop published this fingerprint of the list of numbers:",
  unlistedYet: "When the draw has closed, the fingerprint of the list of numbers appears here.",
  rootReplaced: "Your browser had saved a different fingerprint of the list:",
  own: "Your number is on the list. Your browser has checked the proof.",
  notOwn: "Your number is not on the list.",
  roundUnknown: "The list also names the round of the public random number. It appears here with the list.",
  roundNamed: (round: number) => `The list named round ${round} of the public random number, which nobody knew then.`,
  roundReplaced: "The shop has changed what decides the order after your browser saw the list. Your browser had saved this chain and round of the public random number (or only \"key\"):",
  roundKnown: "This is the number of that round. You can compare it with the number that the network publishes:",
  roundSource: "The round at drand, for programs (JSON)",
  signature: {
    check: "Check the signature of this number",
    right: "The signature is right: this number is drand's, and its round follows from the time of the closing.",
    other: "The signature is right, but it is not from drand's public network. That is normal only on a test shop.",
    wrong: "The signature is wrong, or this is not the round that should decide. You cannot rely on this draw.",
  },
  seed: "For this draw, the SHA-256 hash of a fixed text, the key and the public random number takes the place of the key.",
  revealed: "When the sale opened, the shop published this key:",
  fits: "The key matches: the fingerprint is the SHA-256 hash of its 32 bytes.",
  broken: "The key does not match. The fingerprint should be the SHA-256 hash of its 32 bytes.",
  arrival: (arrival: number, n: number) => `Your number was ${arrival.toLocaleString("en")} of ${n.toLocaleString("en")}.`,
  late: (n: number) => `The draw had ${numbers(n)}. It had closed when you joined, so your place comes after them.`,
  people: (n: number) => `The draw had ${numbers(n)}.`,
  place: (position: number) => `From the key and your number, your browser calculates place ${position.toLocaleString("en")}, which is the place that this shop shows you.`,
  formula:
    "The calculation: the key puts the numbers from 1 to the last into a new order. Each number is split into two halves. In at least ten rounds, the SHA-256 hash of the key, the round and one half is added to the other half (a Feistel network). A result beyond the last number goes through the rounds again.",
  another: (n: number) => `Calculate the place of any number from 1 to ${n.toLocaleString("en")}`,
  anothersPlace: (number: number, position: number) => `Number ${number.toLocaleString("en")} has place ${position.toLocaleString("en")}.`,
  proof: "Data of the draw, for programs (JSON)",
  verifier: "The program that checks the draw (verify.pyz)",
  verify: "It checks this data, and needs only Python, but no account and no packages:",
  verifyBeacon: "It checks this data and the signature of the public random number. It needs Python and one package, but no account:",
  savedFingerprint: "saved fingerprint",
};
