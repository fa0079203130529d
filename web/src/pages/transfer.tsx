/** The page behind a transfer link: accept the ticket. The token is in the fragment, which no server logs. */

import { useState } from "preact/hooks";
import { acceptTransfer, type Ticket } from "../api";
import { dayAndTime } from "../formats";
import { Failure, OtherWays, Outcome } from "../parts/failure";
import { useAction, useTitle } from "../parts/hooks";
import { useTexts } from "../texts";

const FINAL = [404, 409, 410]; // errors that the same link will get again

/** Needs a click, because mail scanners open links and must not take the ticket. */
export function Transfer() {
  const { t, locale } = useTexts();
  const { isWorking, failure, run } = useAction();
  const [ticket, setTicket] = useState<Ticket | null>(null);
  const [token] = useState(() => new URLSearchParams(location.hash.slice(1)).get("token"));
  useTitle(t.transfer.title);
  const submit = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    if (token) run(async () => setTicket(await acceptTransfer(token)));
  };
  return (
    <div class="page page-narrow">
      <h1>{t.transfer.title}</h1>
      {ticket ? (
        <Outcome tone="good" title={t.transfer.doneTitle}>
          <p>
            <strong>{ticket.event.name}</strong>
            {ticket.event.starts_at && ` · ${dayAndTime(ticket.event.starts_at, ticket.event.timezone ?? undefined, locale)}`}
          </p>
          <p>{t.transfer.doneText}</p>
          <a class="button" href="/tickets">
            {t.wallet.title}
          </a>
        </Outcome>
      ) : token ? (
        <form class="panel" onSubmit={submit}>
          <p>{t.transfer.text}</p>
          {failure && <Failure failure={failure} />}
          {failure && FINAL.includes(failure.status) ? (
            <OtherWays />
          ) : (
            <button type="submit" class="button" disabled={isWorking}>
              {isWorking ? t.checkout.working : t.transfer.accept}
            </button>
          )}
        </form>
      ) : (
        <Outcome tone="bad" title={t.transfer.brokenTitle}>
          <p>{t.transfer.brokenText}</p>
          <OtherWays />
        </Outcome>
      )}
    </div>
  );
}
