/** The catalog: the served version of the bootstrap file, the shop's drift from it, earlier versions, and the activity log. */

import { useState } from "preact/hooks";
import { dayAndTime } from "../../formats";
import { Failure, Skeleton } from "../../parts/failure";
import { useAction, useLoaded } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { Confirmed } from "../parts/confirmed";
import { PagedList } from "../parts/paged-list";
import { usePages } from "../parts/use-pages";
import { useRoomTexts } from "../texts";
import { Changes, PlannedChanges, Refusals } from "./planned-changes";
import { applyVersion, getCatalog, getPlan, listLog, listVersions, loadAgain, type LogEntry, type PlannedChange, type PlanRefusal, type Version } from "./versions";

/** The shown part of an apply's audit log entry. Entries of older releases have only `diff`, in English. */
interface Applied {
  version?: number;
  diff?: string[];
  changes?: PlannedChange[];
  more?: number;
  refusals?: PlanRefusal[];
}

/** The actions that create a version. Repairs and refused attempts also name the version that was served at the time. */
const PUBLICATIONS = ["catalog.applied", "catalog.rolled_back"];

const load = async () => {
  const [catalog, log] = await Promise.all([getCatalog(), ADDONS.reports ? listLog() : []]);
  return { catalog, log };
};

export function CatalogPage() {
  const own = useRoomTexts("catalog");
  const [isReloaded, setReloaded] = useState(false);
  const { value, failure, reload } = useLoaded(load, "catalog");
  if (!value) return <div class="page">{failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={8} />}</div>;
  const { catalog, log } = value;
  const facts: [string, string][] = [
    [own.version, String(catalog.version)],
    [own.revision, String(catalog.revision)],
    [own.checksum, catalog.checksum],
  ];
  const invalidate = async () => {
    await loadAgain();
    setReloaded(true);
  };
  return (
    <div class="page">
      <h1>{own.title}</h1>
      <p class="lead">{own.lead}</p>
      {failure && <Failure failure={failure} retry={reload} />}
      <dl class="facts panel">
        {facts.map(([name, text]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      {catalog.version > 0 && <Drift key={catalog.version} version={catalog.version} onCorrected={reload} />}
      <section class="panel">
        <h2>{own.versions}</h2>
        <p>{own.versionsText}</p>
        <Versions key={catalog.version} log={log} />
      </section>
      <section class="panel">
        <h2>{own.instances}</h2>
        <p class="controls-done" role="status">
          {isReloaded && own.reloaded}
        </p>
        <Confirmed label={own.reload} confirm={own.reload} act={invalidate}>
          <p>{own.reloadText}</p>
        </Confirmed>
      </section>
      {ADDONS.reports && (
        <section class="panel">
          <h2>{own.log}</h2>
          {log.length === 0 ? <p>{own.none}</p> : <Log entries={log} />}
        </section>
      )}
    </div>
  );
}

/** The shop's differences from the served file, loaded when the page opens and on request. */
function Drift({ version, onCorrected }: { version: number; onCorrected: () => Promise<void> }) {
  const own = useRoomTexts("catalog");
  const { value: plan, failure, reload } = useLoaded(() => getPlan(version), String(version));
  const { isWorking, run } = useAction();
  const correct = async () => {
    await applyVersion(plan!);
    await Promise.all([reload(), onCorrected()]);
  };
  return (
    <section class="panel">
      <h2>{own.drift}</h2>
      <p>{own.driftText}</p>
      {failure && <Failure failure={failure} retry={reload} />}
      {!plan && !failure && <Skeleton lines={3} />}
      <div role="status">
        {plan && <p class={plan.is_empty ? "notice" : "notice notice-bad"}>{plan.is_empty ? own.noDrift : own.differs(plan.changes.length + plan.more)}</p>}
      </div>
      {plan && <PlannedChanges plan={plan} />}
      <div class="row">
        <button type="button" class="button button-quiet" disabled={isWorking} onClick={() => run(reload)}>
          {own.checkAgain}
        </button>
        {plan && !plan.is_empty && plan.refusals.length === 0 && (
          <Confirmed label={own.removeDrift} confirm={own.removeDrift} act={correct}>
            <p>{own.removeDriftText}</p>
          </Confirmed>
        )}
      </div>
    </section>
  );
}

function Versions({ log }: { log: LogEntry[] }) {
  const own = useRoomTexts("catalog");
  const { locale } = useTexts();
  const found = usePages(listVersions, "versions");
  const changesOf = ({ version }: Version) => log.find(({ action, details }) => PUBLICATIONS.includes(action) && (details as Applied).version === version)?.details as Applied | undefined;
  return (
    <PagedList found={found} itemsOf={(page) => page.versions} empty={{ title: own.none, text: own.noneText }}>
      {(versions) => (
        <ul class="entries">
          {versions.map((version) => (
            <li key={version.version}>
              <strong>{own.versionNumber(version.version)}</strong>
              <time class="small" dateTime={version.applied_at}>
                {dayAndTime(version.applied_at, undefined, locale)}
              </time>
              <span class="small">{own.by(version.applied_by)}</span>
              {version.is_served ? (
                <span class="chip">{own.served}</span>
              ) : (
                <a href={`/manage/catalog/versions/${version.version}`} aria-label={own.restoreVersion(version.version)}>
                  {own.restore}
                </a>
              )}
              <Diff applied={changesOf(version)} />
            </li>
          ))}
        </ul>
      )}
    </PagedList>
  );
}

function Log({ entries }: { entries: LogEntry[] }) {
  const own = useRoomTexts("catalog");
  const { locale } = useTexts();
  return (
    <ul class="entries">
      {entries.map((entry) => {
        const applied = entry.details as Applied;
        return (
          <li key={entry.id}>
            <time class="small" dateTime={entry.at}>
              {dayAndTime(entry.at, undefined, locale)}
            </time>
            <span>{own.logActions[entry.action] ?? entry.action}</span>
            {applied.version !== undefined && <strong>{own.versionNumber(applied.version)}</strong>}
            <span class="small">{own.by(entry.actor)}</span>
            <Diff applied={applied} />
          </li>
        );
      })}
    </ul>
  );
}

function Diff({ applied }: { applied?: Applied }) {
  const own = useRoomTexts("catalog");
  if (!applied?.diff?.length) return null;
  const { diff, changes, more = 0, refusals } = applied;
  return (
    <details>
      <summary>{refusals ? own.whyRefused : own.whatChanged}</summary>
      {changes && <Changes changes={changes} />}
      {changes && more > 0 && <p>{own.moreInLog(more)}</p>}
      {refusals && <Refusals refusals={refusals} />}
      {!changes && !refusals && (
        <pre class="code" lang="en">
          {diff.join("\n")}
        </pre>
      )}
    </details>
  );
}
