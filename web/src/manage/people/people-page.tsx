/** The people who work at an event. */

import { useState } from "preact/hooks";
import { day } from "../../formats";
import { Failure, Outcome, Skeleton } from "../../parts/failure";
import { Form } from "../../parts/form";
import { useAction, useLoaded } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { Confirmed } from "../parts/confirmed";
import { SelectField, TextField } from "../parts/fields";
import { useRoomTexts } from "../texts";
import { useManagedEvent, useMay } from "../who";
import { getDoorCode, invite, listMembers, removeMember, type EventRole, type Member } from "./api";

export function PeoplePage() {
  const own = useRoomTexts("people");
  const shell = useRoomTexts("shell");
  const { event } = useManagedEvent();
  const may = useMay();
  const { value: members, failure, reload } = useLoaded(() => listMembers(event.id), event.id);
  const [values, setValues] = useState({ email: "", role: "staff" });
  const [invited, setInvited] = useState<string | null>(null);
  // Coordinators appoint all others; only promoters and admins appoint coordinators.
  const roles: EventRole[] = may("appointCoordinators") ? ["staff", "cashier", "accountant", "coordinator"] : ["staff", "cashier", "accountant"];
  const draft = { values, set: (changes: Partial<typeof values>) => setValues({ ...values, ...changes }) };
  const submit = async () => {
    const member = await invite(event.id, values.email.trim(), values.role as EventRole);
    setInvited(member.email);
    setValues({ ...values, email: "" });
    await reload();
  };
  return (
    <div class="page page-narrow">
      <h1>{own.title}</h1>
      <p class="lead">{own.lead}</p>
      {failure && !members && <Failure failure={failure} retry={reload} />}
      {!members && !failure && <Skeleton lines={4} />}
      {members?.length === 0 && (
        <Outcome tone="calm" title={own.none}>
          <p>{own.noneText}</p>
        </Outcome>
      )}
      {members && members.length > 0 && (
        <ul class="rows">
          {members.map((member) => (
            <Row key={member.id} member={member} roles={roles} onChanged={reload} />
          ))}
        </ul>
      )}
      <Form onSubmit={submit} button={own.invite}>
        {(errorOf) => (
          <>
            <h2>{own.inviteTitle}</h2>
            <TextField name="email" label={own.email} note={own.emailNote} type="email" required maxLength={254} draft={draft} errorOf={errorOf} />
            <SelectField
              name="role"
              label={own.role}
              note={own.roleNotes[values.role as EventRole]}
              options={roles.map((role) => [role, shell.roles[role]] as const)}
              draft={draft}
              errorOf={errorOf}
            />
          </>
        )}
      </Form>
      <p role="status" class={invited ? "saved" : "hidden"}>
        {invited && own.invited(invited)}
      </p>
      <DoorCode />
    </div>
  );
}

/** The code that opens the door page of the event on a device of the staff. */
function DoorCode() {
  const own = useRoomTexts("people");
  const { event } = useManagedEvent();
  const { value: code, failure, reload } = useLoaded(() => getDoorCode(event.id), event.id);
  return (
    <section class="panel">
      <h2>{own.doorTitle}</h2>
      <p>{own.doorText}</p>
      {code && <img class="qr" src={`data:image/svg+xml,${encodeURIComponent(code)}`} alt={own.doorCode} width="240" height="240" />}
      {!code && (failure ? <Failure failure={failure} retry={reload} /> : <span class="qr qr-loading" />)}
      <p>
        <a href={`/door?event=${event.id}`}>{own.doorLink}</a> · <a href={`/door/box-office?event=${event.id}`}>{own.boxOfficeLink}</a>
      </p>
    </section>
  );
}

function Row({ member, roles, onChanged }: { member: Member; roles: EventRole[]; onChanged: () => Promise<void> }) {
  const own = useRoomTexts("people");
  const shell = useRoomTexts("shell");
  const { locale } = useTexts();
  const { isWorking, failure, run } = useAction();
  const mayChange = roles.includes(member.role);
  return (
    <li class="row-card tier-row">
      <div class="row-text">
        <h2>{member.email}</h2>
        <p class="small">{(member.pending ? own.pending : own.since)(shell.roles[member.role], day(member.invited_at, useManagedEvent().event.timezone, locale))}</p>
      </div>
      {mayChange && (
        <div class="row-actions">
          {roles
            .filter((role) => role !== member.role)
            .map((role) => (
              <button
                key={role}
                type="button"
                class="link"
                aria-label={`${own.changeTo[role]}: ${member.email}`}
                disabled={isWorking}
                onClick={() => run(async () => void (await invite(member.event_id, member.email, role), await onChanged()))}
              >
                {own.changeTo[role]}
              </button>
            ))}
          <Confirmed label={own.remove} subject={member.email} confirm={own.removeNow} class="link" act={async () => void (await removeMember(member), await onChanged())}>
            <p>{own.removeText}</p>
          </Confirmed>
        </div>
      )}
      {failure && <Failure failure={failure} />}
    </li>
  );
}
