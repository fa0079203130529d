/** Restores an older version: shows what would change now, and applies the version after a confirmation. */

import { useRoute } from "preact-iso";
import { useState } from "preact/hooks";
import { ApiFailure, type Schemas } from "../../client";
import { Failure, Outcome, Skeleton } from "../../parts/failure";
import { useLoaded } from "../../parts/hooks";
import { Confirmed } from "../parts/confirmed";
import { useRoomTexts } from "../texts";
import { PlannedChanges } from "./planned-changes";
import { applyVersion, getPlan, type Plan } from "./versions";

export function VersionPage() {
  const own = useRoomTexts("catalog");
  const version = useRoute().params.version!;
  const { value: plan, failure, reload } = useLoaded(() => getPlan(Number(version)), version);
  const [done, setDone] = useState<Schemas["AppliedView"] | null>(null);
  const restore = async () => {
    try {
      setDone(await applyVersion(plan!));
    } catch (error) {
      if (error instanceof ApiFailure) await reload(); // so that the refusal and the shown plan belong together
      throw error;
    }
  };
  return (
    <div class="page page-narrow">
      <p>
        <a class="back" href="/manage/catalog">
          {own.back}
        </a>
      </p>
      <h1>{own.restoreVersion(Number(version))}</h1>
      {done ? (
        <Outcome tone="good" title={own.done(done.version)}>
          <p>{own.doneText}</p>
        </Outcome>
      ) : (
        <>
          <p class="lead">{own.planLead}</p>
          {failure && <Failure failure={failure} retry={reload} />}
          {!plan && !failure && <Skeleton lines={6} />}
          {plan && <Planned plan={plan} act={restore} />}
        </>
      )}
    </div>
  );
}

function Planned({ plan, act }: { plan: Plan; act: () => Promise<void> }) {
  const own = useRoomTexts("catalog");
  const reducing = plan.changes.filter((change) => change.reduces).length;
  return (
    <>
      <p>{own.compared(plan.served)}</p>
      {plan.changes.length === 0 && <p class="notice">{own.nothing}</p>}
      <PlannedChanges plan={plan} />
      {plan.refusals.length === 0 && (
        <Confirmed label={own.restoreVersion(plan.version)} confirm={own.restoreNow} class="button" act={act}>
          {reducing > 0 && <p class="notice notice-bad">{own.reducing(reducing)}</p>}
          <p>{own.restoreText}</p>
        </Confirmed>
      )}
    </>
  );
}
