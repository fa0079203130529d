/** Where the links in mails lead: confirm an address, choose a new password. The token is in the fragment, which no server logs. */

import { useState } from "preact/hooks";
import { resetPassword, verifyEmail } from "../api";
import { Failure, Outcome } from "../parts/failure";
import { useAction, useTitle } from "../parts/hooks";
import { useTexts } from "../texts";

/** A button, because programs that look at mails open links, and must not use this one up. */
export function VerifyEmail() {
  const { t } = useTexts();
  const { isWorking, failure, run } = useAction();
  const [isDone, setDone] = useState(false);
  useTitle(t.account.verify);
  const submit = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    run(async () => {
      await verifyEmail(token());
      setDone(true);
    });
  };
  return (
    <div class="page page-narrow">
      <h1>{t.account.verify}</h1>
      {isDone ? (
        <Done title={t.account.verified} />
      ) : (
        <form class="panel" onSubmit={submit}>
          <p>{t.account.verifyText}</p>
          {failure && <Failure failure={failure} />}
          <button type="submit" class="button" disabled={isWorking}>
            {t.account.confirm}
          </button>
        </form>
      )}
    </div>
  );
}

export function ResetPassword() {
  const { t } = useTexts();
  const { isWorking, failure, run } = useAction();
  const [isDone, setDone] = useState(false);
  const [password, setPassword] = useState("");
  useTitle(t.account.reset);
  const submit = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    run(async () => {
      await resetPassword(token(), password);
      setDone(true);
    });
  };
  return (
    <div class="page page-narrow">
      <h1>{t.account.reset}</h1>
      {isDone ? (
        <Done title={t.account.wasReset} />
      ) : (
        <form class="panel" onSubmit={submit}>
          <label class="field">
            <span>{t.account.newPassword}</span>
            <input
              type="password"
              autocomplete="new-password"
              minLength={8}
              maxLength={128}
              required
              value={password}
              onInput={({ currentTarget }) => setPassword(currentTarget.value)}
            />
          </label>
          {failure && <Failure failure={failure} />}
          <button type="submit" class="button" disabled={isWorking}>
            {t.account.setPassword}
          </button>
        </form>
      )}
    </div>
  );
}

function Done({ title }: { title: string }) {
  const { t } = useTexts();
  return (
    <Outcome tone="good" title={title}>
      <a class="button" href="/">
        {t.allEvents}
      </a>
    </Outcome>
  );
}

function token(): string {
  return new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
}
