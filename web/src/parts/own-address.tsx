/** The account's email address: whether it is confirmed, and a form to change it. */

import { useState } from "preact/hooks";
import { changeEmail, type User } from "../api";
import { ResendVerification } from "../pages/register";
import { useTexts } from "../texts";
import { EmailField, Form, PasswordField } from "./form";

export function OwnAddress({ me }: { me: User }) {
  const { t } = useTexts();
  const [isOpen, setOpen] = useState(false);
  return (
    <section class="panel">
      <h2>{t.form.email}</h2>
      <p>
        {me.email} {me.email_verified && <span class="chip">{t.account.isVerified}</span>}
      </p>
      {!me.email_verified && me.email && (
        <>
          <p>{t.account.notVerified}</p>
          <ResendVerification email={me.email} />
        </>
      )}
      <details class="more" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
        <summary>{t.account.changeEmail}</summary>
        {isOpen && <Change />}
      </details>
    </section>
  );
}

function Change() {
  const { t } = useTexts();
  const [email, setEmail] = useState("");
  const [isMailed, setMailed] = useState(false);
  const submit = async ({ current_password }: Record<string, string>) => {
    await changeEmail(email.trim(), current_password!);
    setMailed(true);
  };
  if (isMailed) {
    return (
      <div class="notice" role="status">
        <p class="notice-title">{t.account.changeMailed}</p>
        <p>{t.account.changeMailedText(email.trim())}</p>
      </div>
    );
  }
  return (
    <Form onSubmit={submit} button={t.account.sendLink} class="fields">
      {(errorOf) => (
        <>
          <p>{t.account.changeEmailText}</p>
          <EmailField label={t.account.newEmail} value={email} onValue={setEmail} error={errorOf("email")} />
          <PasswordField name="current_password" label={t.form.currentPassword} error={errorOf("current_password")} />
        </>
      )}
    </Form>
  );
}
