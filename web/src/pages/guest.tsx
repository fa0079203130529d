/** The page behind a guest's invitation link: the event, the seat, the code for the door. The token is in the fragment. */

import { useState } from "preact/hooks";
import { eraseGuest, getGuestQrCode, getInvitation } from "../api";
import { Failure, OtherWays, Outcome, Skeleton } from "../parts/failure";
import { useAction, useLoaded, useTitle, useTranslated } from "../parts/hooks";
import { EventDates } from "../parts/event-dates";
import { Moment } from "../parts/moment";
import { QrCode } from "../parts/pass";
import { useTexts } from "../texts";

export function Guest() {
  const { t } = useTexts();
  const [token] = useState(() => new URLSearchParams(location.hash.slice(1)).get("token"));
  const [isErased, setErased] = useState(false);
  useTitle(t.seats.title);
  return (
    <div class="page page-narrow">
      <h1>{t.seats.title}</h1>
      {isErased ? (
        <Outcome tone="good" title={t.seats.erasedTitle}>
          <p>{t.seats.erasedText}</p>
          <OtherWays />
        </Outcome>
      ) : token ? (
        <Invitation token={token} erased={() => setErased(true)} />
      ) : (
        <Outcome tone="bad" title={t.transfer.brokenTitle}>
          <p>{t.transfer.brokenText}</p>
          <OtherWays />
        </Outcome>
      )}
    </div>
  );
}

function Invitation({ token, erased }: { token: string; erased: () => void }) {
  const { t, language } = useTexts();
  const { isWorking, failure: refusal, run } = useAction();
  const { value: seat, failure, reload } = useTranslated(() => getInvitation(token, { "Accept-Language": language }), `guest-${token}`);
  const picture = useLoaded(async () => (seat?.qr_url ? await getGuestQrCode(token) : null), `guest-qr-${seat?.code}`);
  if (!seat) return failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={6} />;
  const { event } = seat;
  const erase = () =>
    run(async () => {
      await eraseGuest(token);
      erased();
    });
  return (
    <section class="panel">
      <h2>{event.name}</h2>
      {event.starts_at && <Moment at={event.starts_at} timezone={event.timezone} />}
      <EventDates of={event} />
      <p class="small">{[event.venue, event.address].filter(Boolean).join(", ")}</p>
      <p class="row">
        {seat.tier_name && <span class="chip">{seat.tier_name}</span>}
        <span class="chip">{seat.number ?? t.seats.seat(seat.seat)}</span>
      </p>
      {seat.name && <p>{seat.name}</p>}
      {seat.code ? (
        <>
          <QrCode code={seat.code} picture={picture.value ?? (picture.failure ? null : undefined)} again={picture.reload} />
          <p class="small">
            {t.wallet.code} <span class="code">{seat.code}</span>
          </p>
        </>
      ) : (
        <p class="stamp">{event.cancelled ? t.wallet.cancelled : t.wallet.states[seat.state]}</p>
      )}
      {refusal && <Failure failure={refusal} />}
      <details>
        <summary>{t.seats.giveBack}</summary>
        <p class="small">{t.seats.giveBackNote}</p>
        <button type="button" class="button button-quiet" disabled={isWorking} onClick={erase}>
          {t.seats.giveBackNow}
        </button>
      </details>
    </section>
  );
}
