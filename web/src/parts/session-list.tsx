/** The devices where the account is signed in, so that its owner can sign out unknown ones. */

import { endSession, listSessions, type SignedInSession } from "../api";
import { dayAndTime } from "../formats";
import { useTexts } from "../texts";
import { Failure } from "./failure";
import { useAction, useLoaded } from "./hooks";

const BROWSERS = [/Firefox/, /Edg/, /OPR/, /Chrome/, /Safari/]; // in this order, because each one also claims to be the ones after it
const SYSTEMS = [/Android/, /iPhone|iPad/, /Windows/, /Mac OS/, /Linux/];

export function SessionList() {
  const { t, locale } = useTexts();
  const { value: sessions, failure, reload } = useLoaded(listSessions, "sessions");
  const { isWorking, failure: refused, run } = useAction();
  const end = (id: string) =>
    run(async () => {
      await endSession(id);
      await reload();
    });
  return (
    <section class="panel">
      <h2>{t.account.sessions}</h2>
      {failure && !sessions && <Failure failure={failure} retry={reload} />}
      <ul class="lines">
        {sessions?.map((session) => (
          <li key={session.id}>
            <span>
              {deviceName(session) ?? t.account.unknownDevice}
              <span class="block small">
                {session.current ? t.account.thisDevice : <time dateTime={session.last_used_at}>{dayAndTime(session.last_used_at, undefined, locale)}</time>}
                {session.address && ` · ${session.address}`}
              </span>
            </span>
            {!session.current && (
              <button
                type="button"
                class="link"
                aria-label={`${t.account.signOut}: ${deviceName(session) ?? t.account.unknownDevice}`}
                onClick={() => end(session.id)}
                disabled={isWorking}
              >
                {t.account.signOut}
              </button>
            )}
          </li>
        ))}
      </ul>
      {refused && <Failure failure={refused} />}
    </section>
  );
}

/** The browser and operating system of a session, such as "Firefox, Android"; null if its User-Agent names neither. */
function deviceName({ user_agent }: SignedInSession): string | null {
  const named = [BROWSERS, SYSTEMS].flatMap((patterns) => patterns.find((pattern) => pattern.test(user_agent ?? ""))?.exec(user_agent!)?.[0] ?? []);
  return named.length > 0 ? named.join(", ").replace("Edg", "Edge").replace("OPR", "Opera") : null;
}
