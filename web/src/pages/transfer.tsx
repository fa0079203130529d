/** The page behind a transfer link: see what is offered, and accept the ticket. The token is in the fragment, which no server logs. */

import { useState } from "preact/hooks";
import { acceptTransfer, getTicket, previewTransfer, type OfferedTicket, type Ticket } from "../api";
import { ApiFailure } from "../client";
import { eventTime } from "../formats";
import { BuyerEmail } from "../parts/buyer-email";
import { Failure, FailureTexts, OtherWays, Outcome, Skeleton } from "../parts/failure";
import { useAction, useKept, useTitle, useTranslated } from "../parts/hooks";
import { Moment } from "../parts/moment";
import { currentBuyer, useBuyer } from "../session";
import { useTexts, type Language } from "../texts";
import type { receivingTexts as en } from "../texts/en-receiving";
import { inEachLanguage } from "../texts/languages";

const FINAL = [404, 409, 410]; // errors that the same link will get again

/** All languages are in this file, because they are smaller than a second request. */
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-receiving.ts", { eager: true, import: "receivingTexts" }));

export function Transfer() {
  const { t, language, locale } = useTexts();
  const own = TEXTS[language];
  const [accepted, setAccepted] = useState<Accepted | null>(null);
  const [token] = useState(() => new URLSearchParams(location.hash.slice(1)).get("token"));
  useTitle(t.transfer.title);
  return (
    <FailureTexts.Provider value={own.failures}>
      <div class="page page-narrow">
        <h1>{t.transfer.title}</h1>
        {accepted ? (
          <Outcome tone="good" title={own.doneTitle}>
            <p>
              <strong>{accepted.event.name}</strong>
              {accepted.event.starts_at && ` · ${eventTime(accepted.event.starts_at, accepted.event.timezone, locale, t.event.bothTimes)}`}
            </p>
            <p>
              {own.doneText} {ADDONS.messages && accepted.email && own.mailedTo(accepted.email)}
            </p>
            <a class="button" href="/tickets">
              {t.wallet.title}
            </a>
          </Outcome>
        ) : token ? (
          <Offer token={token} done={setAccepted} />
        ) : (
          <Outcome tone="bad" title={t.transfer.brokenTitle}>
            <p>{t.transfer.brokenText}</p>
            <OtherWays />
          </Outcome>
        )}
      </div>
    </FailureTexts.Provider>
  );
}

interface Accepted {
  event: Ticket["event"];
  /** The address of a new owner without an account. */
  email: string | null;
}

function Offer({ token, done }: { token: string; done: (accepted: Accepted) => void }) {
  const { language } = useTexts();
  const { value: offered, failure, reload } = useTranslated(() => load(token, language, done), token);
  if (offered) return <Acceptance token={token} offered={offered} done={done} />;
  return failure ? <Refusal failure={failure} retry={reload} /> : <Skeleton lines={8} />;
}

/** Load the offer. If the buyer has accepted it already, perhaps without seeing the reply, the ticket is theirs. */
async function load(token: string, language: Language, done: (accepted: Accepted) => void): Promise<OfferedTicket | null> {
  try {
    return await previewTransfer(token, { "Accept-Language": language });
  } catch (failure) {
    const own = isUsed(failure) && currentBuyer() ? await getTicket(token.slice(0, token.lastIndexOf("."))).catch(() => null) : null;
    if (!own) throw failure;
    done({ event: own.event, email: null });
    return null;
  }
}

const isUsed = (failure: unknown) => failure instanceof ApiFailure && failure.code === "transfer_not_found";

/** Needs a click, because mail scanners open links and must not take the ticket. */
function Acceptance({ token, offered, done }: { token: string; offered: OfferedTicket; done: (accepted: Accepted) => void }) {
  const { t, language, locale } = useTexts();
  const own = TEXTS[language];
  const { isWorking, failure, run } = useAction();
  const hasAccount = useBuyer().buyer?.kind === "account";
  const [email, setEmail] = useKept("fairgate.email", "");
  const { event, giver_name: giver, tier_name: tier, number, admits } = offered;
  const submit = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    run(async () => {
      const address = hasAccount ? null : email.trim();
      done({ event: (await acceptTransfer(token, address)).event, email: address });
    });
  };
  return (
    <form class="panel" onSubmit={submit}>
      <p>{own.from(giver)}</p>
      <h2>{event.name}</h2>
      {event.starts_at && <Moment at={event.starts_at} end={event.ends_at} timezone={event.timezone} />}
      <p class="small">{[event.venue, event.address].filter(Boolean).join(", ")}</p>
      <p class="row">
        {tier && <span class="chip">{tier}</span>}
        {admits > 1 && <span class="chip">{t.event.admits(admits)}</span>}
        {number && <span class="chip">{number}</span>}
      </p>
      <p>{own.meaning(giver)}</p>
      <p class="small">{own.openUntil(eventTime(offered.expires_at, event.timezone, locale, t.event.bothTimes))}</p>
      {failure && FINAL.includes(failure.status) ? (
        <Refusal failure={failure} />
      ) : (
        <>
          {!hasAccount && <BuyerEmail value={email} note={ADDONS.messages ? own.emailNote : undefined} onValue={setEmail} />}
          {failure && <Failure failure={failure} />}
          <button type="submit" class="button" disabled={isWorking}>
            {isWorking ? t.checkout.working : own.accept}
          </button>
        </>
      )}
    </form>
  );
}

function Refusal({ failure, retry }: { failure: ApiFailure; retry?: () => void }) {
  const isFinal = FINAL.includes(failure.status);
  return (
    <>
      <Failure failure={failure} retry={isFinal ? undefined : retry} />
      {isFinal && <OtherWays />}
    </>
  );
}
