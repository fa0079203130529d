/** The forgotten-password page, and the pages behind links in emails: confirm an address, choose a new password. */

import { useState } from "preact/hooks";
import { mailReset, mailVerification, resetPassword, verifyEmail } from "../api";
import { Outcome } from "../parts/failure";
import { EmailField, Form, PasswordField } from "../parts/form";
import { useKept, useTitle } from "../parts/hooks";
import { useTexts } from "../texts";

/** Needs a click, because mail scanners open links and must not use this one up. Without a token, it offers to send a new link. */
export function VerifyEmail() {
  const { t } = useTexts();
  const [isDone, setDone] = useState(false);
  const [hasToken, setHasToken] = useState(token() !== "");
  useTitle(t.account.verify);
  const submit = async () => {
    await verifyEmail(token());
    setDone(true);
  };
  return (
    <div class="page page-narrow">
      <h1>{t.account.verify}</h1>
      {isDone ? (
        <Done title={t.account.verified} />
      ) : hasToken ? (
        <>
          <Form onSubmit={submit} button={t.account.confirm}>
            {() => <p>{t.account.verifyText}</p>}
          </Form>
          <button type="button" class="link" onClick={() => setHasToken(false)}>
            {t.account.newLink}
          </button>
        </>
      ) : (
        <MailLink text={t.account.verifyAgain} mail={mailVerification} sentText={t.register.mailedText} />
      )}
    </div>
  );
}

export function ForgotPassword() {
  const { t } = useTexts();
  useTitle(t.account.forgot);
  return (
    <div class="page page-narrow">
      <h1>{t.account.forgot}</h1>
      <MailLink text={t.account.forgotText} mail={mailReset} sentText={t.account.resetSentText} />
    </div>
  );
}

interface MailLinkProps {
  text: string;
  /** Sends the link to an address. */
  mail: (email: string) => Promise<unknown>;
  sentText: (email: string) => string;
}

function MailLink({ text, mail, sentText }: MailLinkProps) {
  const { t } = useTexts();
  const [email, setEmail] = useKept("fairgate.email", "");
  const [isSent, setSent] = useState(false);
  const submit = async () => {
    await mail(email.trim());
    setSent(true);
  };
  if (isSent) {
    return (
      <Outcome tone="good" title={t.account.mailSent}>
        <p>{sentText(email.trim())}</p>
      </Outcome>
    );
  }
  return (
    <>
      <p class="lead">{text}</p>
      <Form onSubmit={submit} button={t.account.sendLink}>
        {(errorOf) => <EmailField value={email} onValue={setEmail} error={errorOf("email")} />}
      </Form>
    </>
  );
}

export function ResetPassword() {
  const { t } = useTexts();
  const [isDone, setDone] = useState(false);
  useTitle(t.account.reset);
  const submit = async ({ password }: Record<string, string>) => {
    await resetPassword(token(), password!);
    setDone(true);
  };
  return (
    <div class="page page-narrow">
      <h1>{t.account.reset}</h1>
      {isDone ? (
        <Done title={t.account.wasReset} />
      ) : (
        <>
          <Form onSubmit={submit} button={t.account.setPassword}>
            {(errorOf) => <PasswordField label={t.form.newPassword} isNew error={errorOf("password")} />}
          </Form>
          <p>
            <a href="/forgot-password">{t.account.newLink}</a>
          </p>
        </>
      )}
    </div>
  );
}

function Done({ title }: { title: string }) {
  const { t } = useTexts();
  return (
    <Outcome tone="good" title={title}>
      <a class="button" href="/sign-in">
        {t.signIn.title}
      </a>
    </Outcome>
  );
}

/** The token in the fragment of the link, which no server logs. */
function token(): string {
  return new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
}
