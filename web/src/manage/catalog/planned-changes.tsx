/** What a plan changes: each entry of the file with its fields before and after, and the tickets that are sold and held. */

import { money } from "../../formats";
import { useTexts } from "../../texts";
import { useRoomTexts } from "../texts";
import type { Plan, PlannedChange } from "./versions";

export function PlannedChanges({ plan: { changes, more, refusals, warnings } }: { plan: Plan }) {
  const own = useRoomTexts("catalog");
  return (
    <>
      {refusals.length > 0 && (
        <div class="notice notice-bad" role="alert">
          <p>{own.refused}</p>
          <Lines lines={refusals} />
        </div>
      )}
      {warnings.length > 0 && (
        <div class="notice">
          <p>{own.warnings}</p>
          <Lines lines={warnings} />
        </div>
      )}
      {changes.length > 0 && (
        <ol class="history">
          {changes.map((change, number) => (
            <Change key={number} change={change} />
          ))}
        </ol>
      )}
      {more > 0 && <p>{own.more(more)}</p>}
    </>
  );
}

function Lines({ lines }: { lines: string[] }) {
  return (
    <ul>
      {lines.map((line) => (
        <li key={line} class="small code">
          {line}
        </li>
      ))}
    </ul>
  );
}

function Change({ change: { action, kind, id, fields, sold, held, reduces, currency } }: { change: PlannedChange }) {
  const own = useRoomTexts("catalog");
  const { locale } = useTexts();
  const isAmount = (name: string, value: string) => name.endsWith("_cents") && currency !== null && /^\d+$/.test(value);
  const said = (name: string, value: string) => (isAmount(name, value) ? money(Number(value), currency!, locale) : (own.values[value] ?? value));
  return (
    <li>
      <p>
        <strong>
          {own.actions[action]}: {own.kinds[kind]}
        </strong>{" "}
        <span class="code">{id}</span> {reduces && <span class="chip chip-bad">{own.reduces}</span>}
      </p>
      {sold !== null && held !== null && <p class="small">{kind === "promo_code" ? own.uses(sold, held) : own.tickets(sold, held)}</p>}
      {fields.length > 0 ? (
        <dl class="changes">
          {fields.map(({ name, before, after }) => (
            <div key={name}>
              <dt>{own.fields[name] ?? name}</dt>
              <dd>
                <del>{said(name, before)}</del> → <ins>{said(name, after)}</ins>
              </dd>
            </div>
          ))}
        </dl>
      ) : (
        <p class="small">{action === "create" ? own.isBack : kind === "promo_code" ? own.codeCloses : own.closes}</p>
      )}
    </li>
  );
}
