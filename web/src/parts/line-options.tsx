/** What people can choose for their place in line: a longer turn, and a group with which they share the place. Loaded last. */

import { useEffect, useRef, useState } from "preact/hooks";
import { buyer } from "../api";
import { content, type Schemas } from "../client";
import { now } from "../server-time";
import { useTexts } from "../texts";
import type { optionTexts as en } from "../texts/en-options";
import { inEachLanguage } from "../texts/languages";
import { exactDuration, visitorsTime } from "../turn-times";
import type { ShownPlace } from "../use-place";
import { passSecondsOf } from "../../waiting-room.js";
import { Failure } from "./failure";
import { useAction } from "./hooks";
import { ShareButton } from "./share-button";

/** All languages are in this file, because they are smaller than a second request. */
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-options.ts", { eager: true, import: "optionTexts" }));

const OF_INVITATIONS = ["groups_closed", "group_full", "invitation_invalid", "in_another_group"];

interface Props {
  eventId: string;
  place: ShownPlace;
}

export function LineOptions(props: Props) {
  const { room, status, isLonger } = props.place;
  const isLongerTurn = isLonger && status?.pass_seconds_left != null; // without the rest of it, the place may be lost
  return (
    <>
      {passSecondsOf(room!, { isLonger: true }) > room!.pass_seconds && !isLongerTurn && <LongerTurn {...props} />}
      <Group {...props} />
    </>
  );
}

/** The choice is in the token, so somebody who is in line joins again to change it, and keeps the place. */
function LongerTurn({ eventId, place }: Props) {
  const { language, locale } = useTexts();
  const texts = TEXTS[language];
  const key = `fairgate.longer.${eventId}`; // which `use-place.ts` reads
  const [isWanted, setWanted] = useState(place.isLonger);
  const { room, token } = place;
  const choose = (isChecked: boolean) => {
    if (isChecked) localStorage.setItem(key, "1");
    else localStorage.removeItem(key);
    setWanted(isChecked);
    if (token === null) place.lookAgain();
    else place.enter();
  };
  return (
    <label class="check">
      <input type="checkbox" checked={isWanted} onChange={({ currentTarget }) => choose(currentTarget.checked)} />
      <span>
        {texts.longer(exactDuration(passSecondsOf(room!, { isLonger: true }) - (room!.grace_seconds ?? 0), locale))} <span class="small">{texts.longerNote}</span>
      </span>
    </label>
  );
}

function Group({ eventId, place }: Props) {
  const { t, language, locale } = useTexts();
  const texts = TEXTS[language];
  const key = `fairgate.group.${eventId}`; // which `use-place.ts` reads
  const [invitation, setInvitation] = useState(() => new URLSearchParams(location.hash.slice(1)).get("group") ?? localStorage.getItem(key));
  const [group, setGroup] = useState<Schemas["GroupView"] | null>(null);
  const { isWorking, failure, run } = useAction();
  const box = useRef<HTMLElement>(null);
  const { room, token, isMember } = place;
  const refusal = place.failure && OF_INVITATIONS.includes(place.failure.code) ? place.failure : null;
  const isOpen = room!.groups_until !== undefined && now() < room!.groups_until;
  const forget = () => {
    history.replaceState(history.state, "", location.pathname); // so that the invitation does not come back
    setInvitation(null);
  };
  useEffect(() => {
    if (refusal) forget();
    if (refusal || isMember || invitation === null || !isOpen) localStorage.removeItem(key); // so that the next join is without it
    else if (token === null) localStorage.setItem(key, invitation);
  }, [refusal, isMember, invitation, token, isOpen]);
  const params = { path: { event_id: eventId } };
  const show = () =>
    run(async () => {
      const shown = await content(buyer.POST("/events/{event_id}/waiting-room/group", { params, body: { token: token! } }));
      if (shown.token !== token) place.keep(shown.token);
      setGroup(shown);
    });
  const leave = () =>
    run(async () => {
      await content(buyer.POST("/events/{event_id}/waiting-room/group/leave", { params, body: { token: token! } }));
      setGroup(null);
      forget();
      place.keep(null);
    });
  const accept = () => {
    localStorage.setItem(key, invitation!);
    place.enter();
  };
  if (!isOpen && !isMember && invitation === null) return null;
  const isInvited = invitation !== null && !isMember && !refusal;
  const url = ({ invitation: secret }: Schemas["GroupView"]) => `${location.origin}/events/${eventId}/line#group=${secret}`;
  const act = (action: () => unknown) => {
    box.current?.focus(); // the button may disappear
    action();
  };
  const button = (text: string, action: () => unknown) => (
    <button type="button" class="button button-quiet" disabled={isWorking} onClick={() => act(action)}>
      {isWorking ? t.checkout.working : text}
    </button>
  );
  return (
    <section class="panel" aria-labelledby="line-group" ref={box} tabIndex={-1}>
      <h2 id="line-group">{texts.friends}</h2>
      {(failure ?? (token !== null && refusal)) && <Failure failure={(failure ?? refusal)!} />}
      <p>{isMember ? texts.member : !isInvited ? texts.friendsNote(6) : !isOpen ? texts.tooLate : token === null ? texts.invitedFirst : texts.invited}</p>
      {isOpen && token === null && !isInvited && <p>{texts.first}</p>}
      {group && isMember && (
        <p role="status">
          {texts.members(group.members, group.max_members)} {isOpen && texts.invite}
        </p>
      )}
      {isOpen && (
        <>
          {group && isMember && (
            <label class="field">
              <span>{texts.link}</span>
              <input type="text" readOnly value={url(group)} onFocus={({ currentTarget }) => currentTarget.select()} />
            </label>
          )}
          <p class="row">
            {isInvited && token !== null && button(texts.accept, accept)}
            {isInvited && button(texts.decline, forget)}
            {!isInvited && token !== null && !(group && isMember) && button(isMember ? texts.show : texts.form, show)}
            {group && isMember && <ShareButton title={texts.shared} url={url(group)} />}
            {isMember && button(texts.leave, leave)}
          </p>
          <p class="small">{texts.until(visitorsTime(room!.groups_until!, locale))}</p>
        </>
      )}
    </section>
  );
}
