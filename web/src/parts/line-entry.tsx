/** What a waiting room with a rule of entry asks for before somebody joins: an address with a code by email, an account, an access code, or a card. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { useRoute } from "preact-iso";
import { buyer } from "../api";
import { content } from "../client";
import { currentBuyer } from "../session";
import { useTexts } from "../texts";
import { useRoomTexts } from "../texts/room";
import type { ShownPlace } from "../use-place";
import { Failure, FailureTexts } from "./failure";
import { Field, Form } from "./form";
import { useLoaded } from "./hooks";

type Props = ShownPlace & { children: ComponentChildren };

/** `children`: the button that joins, for people who have what the rule of the room asks for. */
export function LineEntry(props: Props) {
  const eventId = useRoute().params.eventId!;
  const { room, failure, enter, children } = props;
  const needsCode = room!.entry === "access_code";
  const refusal = failure?.details.refusal as string | undefined;
  const mayAppeal = refusal !== undefined || localStorage.getItem(`fairgate.appeal.${eventId}`) !== null; // which `line-access.tsx` writes
  const { value: access } = useLoaded(async () => (needsCode || mayAppeal ? import("./line-access") : null), `${needsCode || mayAppeal}`);
  return (
    <>
      {needsCode ? access && <access.AccessCode eventId={eventId} failure={failure} isOptional={currentBuyer()?.kind === "account"} enter={enter} /> : <Rule {...props} />}
      {mayAppeal && access && (
        <access.Appeal eventId={eventId} refusal={refusal}>
          {children}
        </access.Appeal>
      )}
    </>
  );
}

function Rule({ room, failure, isOffline, enter, lookAgain, children }: Props) {
  const eventId = useRoute().params.eventId!;
  const { t } = useTexts();
  const texts = useRoomTexts().entryTexts;
  const rule = room!.entry;
  const proof = `fairgate.address.${eventId}`; // which `use-place.ts` reads
  const [mailed, setMailed] = useState<string | null>(null);
  const isRefused = failure?.code === "entry_refused";
  const isAccount = currentBuyer()?.kind === "account";
  const shown = failure && !isRefused && <Failure failure={failure} retry={isOffline ? lookAgain : undefined} />;
  const params = { path: { event_id: eventId } };
  const sendMail = async (email: string) => {
    await content(buyer.POST("/events/{event_id}/waiting-room/code", { params, body: { email } }));
    setMailed(email);
  };
  const sendCode = async ({ code }: Record<string, string>) => {
    const body = { email: mailed!, code: code!.replace(/\s/g, "") };
    localStorage.setItem(proof, (await content(buyer.POST("/events/{event_id}/waiting-room/address", { params, body }))).address_proof);
    enter();
  };
  const isProven = rule === "payment_card" ? localStorage.getItem(`fairgate.card.${eventId}`) : isAccount || (rule === "verified_address" && localStorage.getItem(proof));
  if (!isRefused && isProven) {
    return (
      <FailureTexts.Provider value={texts.failures}>
        {shown}
        {children}
      </FailureTexts.Provider>
    );
  }
  if (rule === "payment_card") {
    return (
      <>
        <p>{texts.card}</p>
        <p>
          <a class="button" href={`/events/${eventId}/card`}>
            {texts.saveCard}
          </a>
        </p>
      </>
    );
  }
  if (rule === "account") {
    return (
      <>
        <p>{isAccount ? texts.unverified : texts.account}</p>
        <p>
          <a class="button" href={isAccount ? "/account" : `/sign-in?next=${encodeURIComponent(`/events/${eventId}/line`)}`}>
            {isAccount ? t.account.title : t.signIn.title}
          </a>
        </p>
      </>
    );
  }
  return (
    <FailureTexts.Provider value={texts.failures}>
      {shown}
      {mailed === null ? (
        <Form key="email" onSubmit={({ email }) => sendMail(email!.trim())} button={texts.send} class="fields">
          {(errorOf) => (
            <>
              <p>{texts.address}</p>
              <Field name="email" label={t.form.email} error={errorOf("email")} type="email" autocomplete="email" autocapitalize="off" spellcheck={false} maxLength={254} required />
            </>
          )}
        </Form>
      ) : (
        <>
          <Form key="code" onSubmit={sendCode} button={t.line.join} class="fields">
            {(errorOf) => (
              <>
                <p role="status">{texts.mailed(mailed)}</p>
                <Field name="code" label={texts.code} error={errorOf("code")} type="text" inputmode="numeric" autocomplete="one-time-code" maxLength={12} required />
              </>
            )}
          </Form>
          <button type="button" class="link" onClick={() => setMailed(null)}>
            {texts.again}
          </button>
        </>
      )}
    </FailureTexts.Provider>
  );
}
