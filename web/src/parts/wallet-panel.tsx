/** Puts a ticket into the wallet of the phone: Apple's on its devices, Google's elsewhere. A shop that has set up neither shows no button. */

import { buyer, type Ticket } from "../api";
import { content, publicApi } from "../client";
import { useTexts } from "../texts";
import { inEachLanguage } from "../texts/languages";
import type { walletTexts as en } from "../texts/en-wallets";
import { Failure, FailureTexts } from "./failure";
import { useAction, useLoaded } from "./hooks";

const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-wallets.ts", { eager: true, import: "walletTexts" }));
const IS_APPLE = /iPhone|iPad|Mac OS/.test(navigator.userAgent);

type Wallet = keyof (typeof en)["add"];

let asked: Promise<Wallet[]> | null = null; // once for all tickets of the page
const ask = async () => (await content(publicApi.GET("/wallets"))).wallets;
const listWallets = () => (asked ??= ask().catch((failure: unknown) => ((asked = null), Promise.reject(failure))));

export function WalletPanel({ ticket }: { ticket: Ticket }) {
  const own = TEXTS[useTexts().language];
  const { value: wallets } = useLoaded(listWallets, "wallets");
  const { isWorking, failure, run } = useAction();
  const add = (wallet: Wallet) =>
    run(async () => location.assign((await content(buyer.POST("/tickets/{ticket_id}/passes", { params: { path: { ticket_id: ticket.id } }, body: { wallet } }))).url));
  const fitting = wallets?.filter((wallet) => (wallet === "apple") === IS_APPLE);
  return (
    <FailureTexts.Provider value={own.failures}>
      {(fitting?.length ? fitting : wallets)?.map((wallet) => (
        <button key={wallet} type="button" class="link" disabled={isWorking} onClick={() => add(wallet)}>
          {own.add[wallet]}
        </button>
      ))}
      {failure && <Failure failure={failure} />}
    </FailureTexts.Provider>
  );
}
