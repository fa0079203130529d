/** Complimentary tickets from a holdback: how many were issued, a form for one person, and a list from a file. */

import { useState } from "preact/hooks";
import { ApiFailure } from "../../client";
import { Failure } from "../../parts/failure";
import { Form } from "../../parts/form";
import { useAction } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { TextField } from "../parts/fields";
import { useRoomTexts } from "../texts";
import { issueComplimentary, type Holdback, type IssuedRow, type Tier } from "./api";
import { readGuests } from "./guest-list";

const ROWS_AT_ONCE = 100;
/** The fields of the form have the paths that the API names when it refuses one. */
const NO_GUEST = { "rows[0].name": "", "rows[0].email": "", "rows[0].quantity": "1" };

interface Props {
  tier: Tier;
  holdback: Holdback;
  onChanged: () => Promise<unknown>;
}

export function ComplimentaryPanel({ tier, holdback, onChanged }: Props) {
  const own = useRoomTexts("tickets");
  const { t } = useTexts();
  const [values, setValues] = useState(NO_GUEST);
  const [id, setId] = useState(() => crypto.randomUUID()); // a repeated click, or a retry after a lost reply, issues once
  const [issued, setIssued] = useState<IssuedRow[] | null>(null);
  const [fault, setFault] = useState<number | null>(null);
  const { isWorking, failure, run } = useAction();
  const place = { tier_id: tier.id, holdback_id: holdback.id };
  const count = tier.complimentary.find(({ holdback_id }) => holdback_id === holdback.id)?.issued ?? 0;
  const draft = { values, set: (changes: Partial<typeof values>) => setValues({ ...values, ...changes }) };
  const issueOne = async () => {
    const row = { id, name: values["rows[0].name"], email: values["rows[0].email"], quantity: Number(values["rows[0].quantity"]) };
    setFault(null);
    setIssued((await issueComplimentary(tier.event_id, { ...place, rows: [row] })).rows);
    setId(crypto.randomUUID());
    setValues(NO_GUEST);
    await onChanged();
  };
  const issueList = async (file: File) => {
    const rows = readGuests(await file.text());
    const results: IssuedRow[] = [];
    setIssued(null);
    setFault(rows.length ? null : 1);
    for (let start = 0; start < rows.length; start += ROWS_AT_ONCE) {
      try {
        results.push(...(await issueComplimentary(tier.event_id, { ...place, rows: rows.slice(start, start + ROWS_AT_ONCE) })).rows);
      } catch (error) {
        const row = error instanceof ApiFailure && /^\$\.rows\[(\d+)\]/.exec(String(error.details.path ?? ""));
        if (row) setFault(start + Number(row[1]) + 2); // the first line of the file has the names of the columns
        if (!row) throw error;
        break;
      }
    }
    setIssued(results);
    await onChanged();
  };
  const numberOf = (...states: IssuedRow["status"][]) => issued?.filter(({ status }) => states.includes(status)).length ?? 0;
  return (
    <details>
      <summary>{own.complimentary(count)}</summary>
      <p class="small">
        {own.complimentaryNote} <a href={`/manage/events/${tier.event_id}/orders`}>{own.complimentaryOrders}</a>
      </p>
      <Form onSubmit={issueOne} button={own.issue} isQuiet class="question-form">
        {(errorOf) => (
          <>
            <div class="pair">
              <TextField name="rows[0].name" label={own.guestName} maxLength={100} required draft={draft} errorOf={errorOf} />
              <TextField name="rows[0].email" label={own.guestEmail} type="email" maxLength={254} required draft={draft} errorOf={errorOf} />
            </div>
            <TextField name="rows[0].quantity" label={own.guestTickets} type="number" min={1} max={50} required draft={draft} errorOf={errorOf} />
          </>
        )}
      </Form>
      <p class="small">{own.guestListNote}</p>
      <label class={`button button-quiet file-button ${isWorking ? "is-working" : ""}`}>
        {isWorking ? t.checkout.working : own.guestList}
        <input
          type="file"
          accept=".csv,text/csv"
          disabled={isWorking}
          onChange={({ currentTarget }) => {
            const file = currentTarget.files?.[0];
            if (file) run(() => issueList(file));
            currentTarget.value = ""; // so that the same file can be chosen again
          }}
        />
      </label>
      {failure && <Failure failure={failure} />}
      {fault !== null && (
        <p class="field-error" role="alert">
          {own.wrongLine(fault)}
        </p>
      )}
      {issued && (
        <p role="status">{own.issuedRows(numberOf("issued"), numberOf("already_issued", "revoked"), numberOf("no_tickets_left"))}</p>
      )}
    </details>
  );
}
