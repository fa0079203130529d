/** The state of the stage: its background jobs, their due work, and the rate limits. */

import { publicApi, content, type Schemas } from "../../client";
import { dayAndTime } from "../../formats";
import { Failure, Skeleton } from "../../parts/failure";
import { useLoaded } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { manager } from "../api";
import { useRoomTexts } from "../texts";

type System = Schemas["SystemView"];

const REFRESH_SECONDS = 30;
const LATE_MILLISECONDS = 10 * 60_000; // the jobs run every minute

async function load() {
  const [health, system] = await Promise.all([content(publicApi.GET("/health", {})), content(manager.GET("/admin/system", {}))]);
  return { health, system };
}

export function SystemPage() {
  const own = useRoomTexts("admin");
  const { locale } = useTexts();
  const { value, failure, reload } = useLoaded(load, "system", REFRESH_SECONDS);
  if (!value) return <div class="page">{failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={8} />}</div>;
  const { health, system } = value;
  const facts: [string, string][] = [
    [own.stage, health.stage],
    [own.time, dayAndTime(health.time, undefined, locale)],
  ];
  return (
    <div class="page">
      <h1>{own.system}</h1>
      {failure && <Failure failure={failure} retry={reload} />}
      <dl class="facts panel">
        {facts.map(([name, text]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd class={name === own.time ? "date-first" : undefined}>{text}</dd>
          </div>
        ))}
      </dl>
      <Jobs system={system} />
      <Limits system={system} />
    </div>
  );
}

/** The background jobs with the result of their last run, and the due work. Work that stays due shows that a job is not running. */
function Jobs({ system: { at, build, jobs, mails, refunds, webhooks, compared_at } }: { system: System }) {
  const own = useRoomTexts("admin");
  const { locale } = useTexts();
  const when = (iso: string) => dayAndTime(iso, undefined, locale);
  const waiting = ({ due, oldest_due_at }: System["mails"]) => (oldest_due_at ? own.due(due, when(oldest_due_at)) : own.nothingDue);
  const isLate = [mails, refunds, webhooks].some(({ oldest_due_at }) => oldest_due_at && Date.parse(at) - Date.parse(oldest_due_at) > LATE_MILLISECONDS);
  const broken = jobs.filter(({ state }) => state === "failed" || state === "late").map(({ name }) => own.jobNames[name] ?? name);
  const backlog: [string, string][] = [
    ...(ADDONS.messages ? [[own.mails, waiting(mails)] as [string, string]] : []),
    [own.refunds, waiting(refunds)],
    ...(ADDONS.outgoing_webhooks ? [[own.webhooks, waiting(webhooks)] as [string, string]] : []),
    [own.compared, compared_at ? when(compared_at) : own.never],
    [own.build, build],
  ];
  return (
    <>
      <section class="panel">
        <h2>{own.jobs}</h2>
        {ADDONS.messages && ADDONS.waitlist && <p>{own.jobsText}</p>}
        {broken.length > 0 && (
          <p class="notice notice-bad" role="alert">
            {own.broken(broken.join(", "))}
          </p>
        )}
        <ul class="entries">
          {jobs.map((job) => (
            <Job key={job.name} job={job} />
          ))}
        </ul>
      </section>
      <section class="panel">
        <h2>{own.backlog}</h2>
        {isLate && (
          <p class="notice notice-bad" role="alert">
            {own.late}
          </p>
        )}
        <dl class="facts">
          {backlog.map(([name, text]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd class="date-first">{text}</dd>
            </div>
          ))}
        </dl>
      </section>
    </>
  );
}

function Job({ job: { name, state, every_seconds, began_at, milliseconds, error, succeeded_at, next_due_at } }: { job: System["jobs"][number] }) {
  const own = useRoomTexts("admin");
  const { locale } = useTexts();
  const when = (iso: string) => dayAndTime(iso, undefined, locale);
  return (
    <li>
      <strong>{own.jobNames[name] ?? name}</strong>
      <span class={state === "fine" ? "chip" : "chip chip-bad"}>{own.jobStates[state]}</span>
      <span class="small">{own.every(every_seconds)}</span>
      {began_at && milliseconds != null && <span class="small">{own.lastRun(when(began_at), milliseconds)}</span>}
      {error && <span class="small code">{error}</span>}
      {error && succeeded_at && <span class="small">{own.lastSuccess(when(succeeded_at))}</span>}
      {next_due_at && <span class="small">{own.nextRun(when(next_due_at))}</span>}
    </li>
  );
}

function Limits({ system: { limits, hold_seconds } }: { system: System }) {
  const own = useRoomTexts("admin");
  const rates = Object.entries(limits as Record<string, string>).map(([name, rate]) => [name, ...rate.split("/")] as [string, string, string]);
  return (
    <section class="panel">
      <h2>{own.limits}</h2>
      <p>{rates.length > 0 ? own.limitsText : own.limitsOff}</p>
      <dl class="facts">
        <div>
          <dt>{own.hold}</dt>
          <dd>{own.seconds(hold_seconds)}</dd>
        </div>
        {rates.map(([name, count, seconds]) => (
          <div key={name}>
            <dt>{own.limitNames[name as keyof typeof own.limitNames] ?? name}</dt>
            <dd>{own.rate(Number(count), Number(seconds))}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
