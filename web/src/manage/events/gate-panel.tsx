/** What the gate in front of another shop needs to check the passes of this event (docs/other-shops.md). */

import { BASE_PATH } from "../../client";
import { Failure, Skeleton } from "../../parts/failure";
import { useLoaded } from "../../parts/hooks";
import type { ManagedEvent } from "../api";
import { useRoomTexts } from "../texts";
import { getVerifier } from "./api";

export function GatePanel({ event }: { event: ManagedEvent }) {
  const own = useRoomTexts("events");
  const { value: verifier, failure, reload } = useLoaded(() => getVerifier(event.id), `${event.id} ${event.version}`);
  if (!verifier) return failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={4} />;
  const { algorithm, secret, keys_path } = verifier;
  const settings = {
    api: location.origin + BASE_PATH,
    line: `${location.origin}/events/${event.id}/line`,
    issuer: verifier.issuer,
    audience: verifier.audience,
    event: verifier.event,
    algorithm,
    ...(secret === null ? { keys: location.origin + BASE_PATH + keys_path } : { secret }),
  };
  return (
    <section class="panel" aria-labelledby="gate-title">
      <h2 id="gate-title">{own.gate}</h2>
      <p>{own.gateNote}</p>
      {secret !== null && <p>{own.gateSecret}</p>}
      <dl>
        {Object.entries(settings).map(([name, value]) => (
          <div key={name}>
            <dt class="small">{name}</dt>
            <dd class="code">{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
