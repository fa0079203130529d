/** Invitations to work at an event, which people accept or decline in their account. Nothing is shown to people without one. */

import { useState } from "preact/hooks";
import { buyer } from "../api";
import { content, type Schemas } from "../client";
import { useTexts } from "../texts";
import type { invitationTexts as en } from "../texts/en-invitations";
import { inEachLanguage } from "../texts/languages";
import { Failure } from "./failure";
import { useAction, useLoaded } from "./hooks";

type Invitation = Schemas["WorkInvitationView"];

/** All languages are in this file, because they are smaller than a second request. */
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-invitations.ts", { eager: true, import: "invitationTexts" }));
const PATH = "/me/invitations/{event_id}";

export function Invitations() {
  const own = TEXTS[useTexts().language];
  const [isDeclined, setDeclined] = useState(false);
  const { value: invitations, reload } = useLoaded(async () => (await content(buyer.GET("/me/invitations"))).invitations, "invitations");
  const decline = async () => (setDeclined(true), await reload());
  if (!invitations || (invitations.length === 0 && !isDeclined)) return null;
  return (
    <section class="panel">
      <h2>{own.title}</h2>
      {invitations.length > 0 && <p>{own.lead}</p>}
      {invitations.map((invitation) => (
        <Row key={invitation.event_id} invitation={invitation} onDeclined={decline} />
      ))}
      <p role="status" class={isDeclined ? "saved" : "hidden"}>
        {isDeclined && own.declined}
      </p>
    </section>
  );
}

function Row({ invitation, onDeclined }: { invitation: Invitation; onDeclined: () => Promise<void> }) {
  const own = TEXTS[useTexts().language];
  const { isWorking, failure, run } = useAction();
  const name = invitation.event_name ?? own.unnamed;
  const params = { path: { event_id: invitation.event_id } };
  // A page that loads again gets a token with the new role.
  const accept = () => run(async () => location.assign((await content(buyer.POST(PATH, { params }))).page));
  const decline = () => run(async () => void (await content(buyer.DELETE(PATH, { params })), await onDeclined()));
  return (
    <div class="group">
      <h3>{name}</h3>
      <p>{own.as[invitation.role]}</p>
      {failure && <Failure failure={failure} />}
      <p class="row">
        <button type="button" class="button" aria-label={`${own.accept}: ${name}`} disabled={isWorking} onClick={accept}>
          {own.accept}
        </button>
        <button type="button" class="link" aria-label={`${own.decline}: ${name}`} disabled={isWorking} onClick={decline}>
          {own.decline}
        </button>
      </p>
    </div>
  );
}
