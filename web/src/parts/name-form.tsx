/** The name on a ticket. Its owner can change it until shortly before the event. */

import { useId, useState } from "preact/hooks";
import { nameTicket, type Ticket } from "../api";
import { eventTime } from "../formats";
import { now } from "../server-time";
import { useTexts } from "../texts";
import { Failure } from "./failure";
import { useAction } from "./hooks";

export function NameForm({ ticket, onChanged }: { ticket: Ticket; onChanged: () => Promise<void> }) {
  const { t, locale } = useTexts();
  const { isWorking, failure, run } = useAction();
  const [name, setName] = useState(ticket.attendee?.name ?? "");
  const [isSaved, setSaved] = useState(false);
  const field = useId();
  const until = ticket.attendee_until;
  if (until && Date.parse(until) / 1000 <= now()) return <p class="small">{t.wallet.nameFinal}</p>;
  const submit = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    run(async () => {
      const typed = name.trim();
      await nameTicket(ticket.id, typed ? { ...ticket.attendee, name: typed } : null);
      setSaved(true);
      await onChanged();
    });
  };
  return (
    <details>
      <summary>{ticket.attendee ? t.wallet.changeName : t.wallet.addName}</summary>
      <form onSubmit={submit}>
        <label class="field" for={field}>
          {t.wallet.name}
        </label>
        <input
          id={field}
          type="text"
          autocomplete="off"
          maxLength={500}
          value={name}
          onInput={({ currentTarget }) => {
            setName(currentTarget.value);
            setSaved(false);
          }}
        />
        {until && <p class="small">{t.wallet.nameUntil(eventTime(until, ticket.event.timezone, locale, t.event.bothTimes))}</p>}
        {failure && <Failure failure={failure} />}
        <div class="row">
          <button type="submit" class="button button-quiet" disabled={isWorking}>
            {t.wallet.save}
          </button>
          <span class="small" role="status">
            {isSaved && t.wallet.saved}
          </span>
        </div>
      </form>
    </details>
  );
}
