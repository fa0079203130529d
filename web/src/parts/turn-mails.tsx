/** Emails and push messages about the buyer's turn: a button asks for them, and then another button stops them. */

import { useEffect, useRef, useState } from "preact/hooks";
import { ApiFailure, getPushKey, requestTurnMails, stopTurnMails } from "../api";
import { currentBuyer } from "../session";
import { useTexts } from "../texts";
import type { mailTexts as en } from "../texts/en-mails";
import { inEachLanguage } from "../texts/languages";
import { Failure, FailureTexts } from "./failure";
import { Field, Form } from "./form";
import { useAction } from "./hooks";

/** The place that the messages are about, the address if the buyer typed one, and whether this browser gets push messages. */
interface Asked {
  token: string;
  email: string | null;
  hasPush?: boolean;
}

/** All languages are in this file, because they are smaller than a second request. */
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-mails.ts", { eager: true, import: "mailTexts" }));

const CAN_PUSH = "PushManager" in window;

/** Subscribe this browser to push messages, after asking the buyer. Returns undefined if the browser cannot, or the buyer does not allow it. */
async function subscribe() {
  if (!CAN_PUSH || (await Notification.requestPermission()) !== "granted") return undefined;
  try {
    const registration = await navigator.serviceWorker.register("/push-worker.js", { scope: "/push-worker" });
    const { installing, pushManager } = registration;
    // Only an active worker can subscribe.
    if (installing) await new Promise<void>((started) => (installing.onstatechange = () => (registration.active || installing.state === "redundant") && started()));
    const options = { userVisibleOnly: true, applicationServerKey: await getPushKey() };
    // A subscription for an earlier key of the shop has to end first.
    const renew = async () => (await pushManager.getSubscription())?.unsubscribe().then(() => pushManager.subscribe(options));
    const { endpoint, keys } = (await pushManager.subscribe(options).catch(renew))!.toJSON();
    return { endpoint: endpoint!, p256dh: keys!.p256dh!, auth: keys!.auth! };
  } catch {
    return undefined; // the browser's push service is blocked
  }
}

/** `isDrawn`: the page shows the buyer's position already. `mayAsk`: the turn is far enough away for an email. */
export function TurnMails({ eventId, token, isDrawn, mayAsk }: { eventId: string; token: string; isDrawn: boolean; mayAsk: boolean }) {
  const { t, language } = useTexts();
  const texts = TEXTS[language];
  const key = `fairgate.turn-mails.${eventId}`;
  const [asked, setAsked] = useState<Asked | null>(() => JSON.parse(localStorage.getItem(key) ?? "null"));
  const [needsEmail, setNeedsEmail] = useState(false);
  const [isBlocked, setBlocked] = useState(false);
  const { isWorking, failure, run } = useAction();
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (needsEmail) box.current?.querySelector("input")?.focus();
  }, [needsEmail]);
  const isAccount = currentBuyer()?.kind === "account";
  const blocked = isBlocked && (
    <p class="small" role="status">
      {texts.blocked}
    </p>
  );
  const what = isDrawn ? texts.beforeTurn : texts.afterDraw;
  const note = (changed: Asked | null) => {
    if (changed) localStorage.setItem(key, JSON.stringify(changed));
    else localStorage.removeItem(key);
    setAsked(changed);
  };
  const ask = async ({ email }: Record<string, string>) => {
    const push = await subscribe();
    setBlocked(CAN_PUSH && !push);
    if (!needsEmail && !push && !isAccount) return setNeedsEmail(true);
    try {
      note({ token, email: (await requestTurnMails(eventId, token, email?.trim(), push)).email, hasPush: !!push });
      setNeedsEmail(false);
    } catch (error) {
      // The account has no confirmed address.
      if (!needsEmail && error instanceof ApiFailure && error.details.path === "$.email") return setNeedsEmail(true);
      throw error;
    }
  };
  const stop = () =>
    run(async () => {
      await stopTurnMails(eventId);
      note(null);
    });
  if (asked?.token === token && !(needsEmail && mayAsk)) {
    const { email, hasPush } = asked;
    return (
      <div>
        {hasPush && <p role="status">{isDrawn ? texts.pushBeforeTurn : texts.pushAfterDraw}</p>}
        {(email || !hasPush) && <p role="status">{what(email)}</p>}
        {hasPush && isAccount && <p class="small">{texts.accountToo}</p>}
        {blocked}
        {failure && (
          <FailureTexts.Provider value={texts.failures}>
            <Failure failure={failure} />
          </FailureTexts.Provider>
        )}
        {hasPush && !email && !isAccount && mayAsk && (
          <p>
            <button type="button" class="link" onClick={() => setNeedsEmail(true)}>
              {texts.emailToo}
            </button>
          </p>
        )}
        <button type="button" class="link" onClick={stop} disabled={isWorking}>
          {texts.stop}
        </button>
      </div>
    );
  }
  if (!mayAsk) return null;
  return (
    <div class="group" ref={box}>
      {blocked}
      <Form onSubmit={ask} button={texts.ask} isQuiet class="fields">
        {(errorOf) =>
          needsEmail && (
            <Field
              name="email"
              label={t.form.email}
              note={what(null)}
              error={errorOf("email")}
              type="email"
              autocomplete="email"
              autocapitalize="off"
              spellcheck={false}
              maxLength={254}
              required
            />
          )
        }
      </Form>
    </div>
  );
}
