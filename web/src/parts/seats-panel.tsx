/** The seats of a ticket that admits several people. Its owner names a guest for each seat, and the guest is invited by email. */

import { useId, useState } from "preact/hooks";
import { type CustomOption, listSeats, nameGuest, removeGuest, type Seat, type Ticket } from "../api";
import { eventTime } from "../formats";
import { now } from "../server-time";
import { useTexts } from "../texts";
import { Failure, Skeleton } from "./failure";
import { useAction } from "./hooks";
import { type Answers, givenAnswers, Questions } from "./questions";

export function SeatsPanel({ ticket }: { ticket: Ticket }) {
  const { t, locale } = useTexts();
  const { failure, run } = useAction();
  const [seats, setSeats] = useState<Seat[] | null>(null);
  const [options, setOptions] = useState<CustomOption[]>([]);
  const [until, setUntil] = useState(ticket.attendee_until);
  const isFinal = until !== null && Date.parse(until) / 1000 <= now();
  const load = () =>
    run(async () => {
      const found = await listSeats(ticket.id);
      setOptions(found.options);
      setUntil(found.guests_until);
      setSeats(found.seats);
    });
  const replace = (changed: Seat) => setSeats((seats ?? []).map((seat) => (seat.id === changed.id ? changed : seat)));
  return (
    <details onToggle={({ currentTarget }) => currentTarget.open && !seats && load()}>
      <summary>{t.seats.guests}</summary>
      <p class="small">{isFinal ? t.seats.final : t.seats.note}</p>
      {until && !isFinal && <p class="small">{t.wallet.nameUntil(eventTime(until, ticket.event.timezone, locale, t.event.bothTimes))}</p>}
      {failure && <Failure failure={failure} retry={() => void load()} />}
      {!seats && !failure && <Skeleton lines={ticket.admits} />}
      <ol class="seats">
        {(seats ?? []).map((seat) => (
          <li key={`${seat.id} ${seat.guest?.url}`}>
            <SeatRow seat={seat} options={options} canChange={!isFinal && !seat.admitted} onChanged={replace} />
          </li>
        ))}
      </ol>
    </details>
  );
}

interface SeatRowProps {
  seat: Seat;
  /** The questions for each guest. */
  options: CustomOption[];
  canChange: boolean;
  onChanged: (seat: Seat) => void;
}

function SeatRow({ seat, options, canChange, onChanged }: SeatRowProps) {
  const { t } = useTexts();
  const { isWorking, failure, run } = useAction();
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [answers, setAnswers] = useState<Answers>({});
  const field = useId();
  const title = seat.number ?? t.seats.seat(seat.seat);
  const submit = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    run(async () => onChanged(await nameGuest(seat.id, { name: name.trim(), email: email.trim() || null, answers: givenAnswers(options, answers) })));
  };
  if (seat.guest || !canChange) {
    return (
      <>
        <p>
          <strong>{title}</strong> {seat.guest?.name} {seat.admitted && <span class="chip">{t.wallet.used}</span>}
        </p>
        {seat.guest?.invited_at && <p class="small">{t.seats.invited(seat.guest.email ?? "")}</p>}
        {failure && <Failure failure={failure} />}
        {seat.guest && (
          <p class="row">
            {seat.guest.url && (
              <a href={seat.guest.url}>
                {t.seats.link}
              </a>
            )}
            {canChange && (
              <button type="button" class="link" disabled={isWorking} onClick={() => run(async () => onChanged(await removeGuest(seat.id)))}>
                {t.seats.remove}
              </button>
            )}
          </p>
        )}
      </>
    );
  }
  return (
    <form onSubmit={submit}>
      <strong>{title}</strong>
      <label class="field" for={`${field}-name`}>
        {t.seats.name}
      </label>
      <input id={`${field}-name`} type="text" autocomplete="off" required maxLength={100} value={name} onInput={({ currentTarget }) => setName(currentTarget.value)} />
      <label class="field" for={`${field}-email`}>
        {t.seats.email}
      </label>
      <input id={`${field}-email`} type="email" autocomplete="off" value={email} onInput={({ currentTarget }) => setEmail(currentTarget.value)} />
      <Questions options={options} answers={answers} onChange={setAnswers} of={field} />
      {failure && <Failure failure={failure} />}
      <button type="submit" class="button button-quiet" disabled={isWorking}>
        {t.seats.invite}
      </button>
    </form>
  );
}
