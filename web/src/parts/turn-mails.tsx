/** Emails about the buyer's turn: a button asks for them, and then another button stops them. */

import { useEffect, useRef, useState } from "preact/hooks";
import { ApiFailure, requestTurnMails, stopTurnMails } from "../api";
import { currentBuyer } from "../session";
import { useTexts } from "../texts";
import { Failure } from "./failure";
import { Field, Form } from "./form";
import { useAction } from "./hooks";

/** The place that the emails are about, and the address if the buyer typed one. The API is not asked, because many people wait. */
interface Asked {
  token: string;
  email: string | null;
}

/** `isDrawn`: the page shows the buyer's position already. `mayAsk`: the turn is far enough away for an email. */
export function TurnMails({ eventId, token, isDrawn, mayAsk }: { eventId: string; token: string; isDrawn: boolean; mayAsk: boolean }) {
  const { t } = useTexts();
  const texts = t.line.mails;
  const key = `fairgate.turn-mails.${eventId}`;
  const [asked, setAsked] = useState<Asked | null>(() => JSON.parse(localStorage.getItem(key) ?? "null"));
  const [needsEmail, setNeedsEmail] = useState(false);
  const { isWorking, failure, run } = useAction();
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (needsEmail) box.current?.querySelector("input")?.focus();
  }, [needsEmail]);
  const what = isDrawn ? texts.beforeTurn : texts.afterDraw;
  const note = (changed: Asked | null) => {
    if (changed) localStorage.setItem(key, JSON.stringify(changed));
    else localStorage.removeItem(key);
    setAsked(changed);
  };
  const ask = async ({ email }: Record<string, string>) => {
    if (!needsEmail && currentBuyer()?.kind !== "account") return setNeedsEmail(true);
    try {
      note({ token, email: (await requestTurnMails(eventId, token, email?.trim())).email });
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
  if (asked?.token === token) {
    return (
      <div>
        <p role="status">{what(asked.email)}</p>
        {failure && <Failure failure={failure} />}
        <button type="button" class="link" onClick={stop} disabled={isWorking}>
          {texts.stop}
        </button>
      </div>
    );
  }
  if (!mayAsk) return null;
  return (
    <div ref={box}>
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
