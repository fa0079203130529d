/** The changes of a plan: each changed entry of the file with its fields before and after, and its sold and held tickets. */

import { dayAndTime, money } from "../../formats";
import { useTexts } from "../../texts";
import { useRoomTexts } from "../texts";
import type { Plan, PlannedChange, PlanRefusal } from "./versions";

export function PlannedChanges({ plan: { changes, more, refusals, warnings } }: { plan: Plan }) {
  const own = useRoomTexts("catalog");
  return (
    <>
      {refusals.length > 0 && (
        <div class="notice notice-bad" role="alert">
          <p>{own.refused}</p>
          <Refusals refusals={refusals} />
        </div>
      )}
      {warnings.length > 0 && (
        <div class="notice">
          <p>{own.warnings}</p>
          <ul>
            {warnings.map(({ code, name, figures, text }) => (
              <li key={text} class="small">
                <strong>{name}</strong>: {own.advice[code]?.(figures) ?? text}
              </li>
            ))}
          </ul>
        </div>
      )}
      <Changes changes={changes} />
      {more > 0 && <p>{own.more(more)}</p>}
    </>
  );
}

/** The reasons why a plan was refused. */
export function Refusals({ refusals }: { refusals: PlanRefusal[] }) {
  const own = useRoomTexts("catalog");
  return (
    <ul>
      {refusals.map(({ code, kind, id, figures, text }) => (
        <li key={text} class="small">
          {kind && (
            <>
              <strong>{own.kinds[kind]}</strong> <span class="code">{id}</span>:{" "}
            </>
          )}
          {own.refusals[code]?.(figures) ?? text}
        </li>
      ))}
    </ul>
  );
}

export function Changes({ changes }: { changes: PlannedChange[] }) {
  if (changes.length === 0) return null;
  return (
    <ol class="history">
      {changes.map((change, number) => (
        <Change key={number} change={change} />
      ))}
    </ol>
  );
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

function Change({ change: { action, kind, id, fields, sold, held, reduces, currency, is_back } }: { change: PlannedChange }) {
  const own = useRoomTexts("catalog");
  const { locale } = useTexts();
  const isAmount = (name: string, value: string) => name.endsWith("_cents") && currency !== null && /^\d+$/.test(value);
  const format = (name: string, value: string) => {
    if (isAmount(name, value)) return money(Number(value), currency!, locale);
    const plain = unquoted(value);
    return TIME.test(plain) ? dayAndTime(plain, undefined, locale) : (own.values[plain] ?? plain);
  };
  return (
    <li>
      <p>
        <strong>
          {own.actions[action]}: {own.kinds[kind]}
        </strong>{" "}
        <span class="code">{id}</span> {reduces && <span class="chip chip-bad">{own.reduces}</span>}
      </p>
      {sold !== null && held !== null && <p class="small">{kind === "promo_code" ? own.uses(sold, held) : own.tickets(sold, held)}</p>}
      {action === "create" && <p class="small">{is_back ? own.isBack : own.isNew}</p>}
      {action === "close" && <p class="small">{kind === "promo_code" ? own.codeCloses : own.closes}</p>}
      {fields.length > 0 && (
        <dl class="changes">
          {fields.map(({ name, before, after }) => (
            <div key={name}>
              <dt>{own.fields[name] ?? name}</dt>
              <dd>
                {action !== "create" && (
                  <>
                    <del>{format(name, before)}</del> →{" "}
                  </>
                )}
                <ins>{format(name, after)}</ins>
              </dd>
            </div>
          ))}
        </dl>
      )}
    </li>
  );
}

/** Remove the quotes around a value of the file, unless the value was cut off. */
function unquoted(value: string): string {
  return /^".*"$/.test(value) ? (JSON.parse(value) as string) : value;
}
