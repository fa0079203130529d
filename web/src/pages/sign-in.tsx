/** The sign-in page, also for ended sessions, guests, and demo stages. */

import { useLocation } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { ApiFailure } from "../client";
import { safeAddress, withNext } from "../next-page";
import { currentBuyer, continueWithoutAccount, hasDemoIdentity, signIn, useBuyer, useDemoIdentity } from "../session";
import { useContinue } from "../parts/entries";
import { EmailField, Field, Form, PasswordField } from "../parts/form";
import { useKept, useLoaded, useTitle } from "../parts/hooks";
import { useTexts } from "../texts";

export function SignIn() {
  const { t } = useTexts();
  const { query } = useLocation();
  const continueTo = useContinue();
  const { buyer, hasEnded, wasGuest } = useBuyer();
  const [email, setEmail] = useKept("fairgate.email", "");
  const { value: isDemoStage } = useLoaded(hasDemoIdentity, "demo");
  const next = safeAddress(query.next) ?? "/account";
  useTitle(t.signIn.title);
  const [needsCode, setNeedsCode] = useState(false);
  const submit = async ({ password, code }: Record<string, string>) => {
    try {
      await signIn(email.trim(), password!, code?.trim());
    } catch (error) {
      if (needsCode || !(error instanceof ApiFailure) || error.code !== "second_factor_required") throw error;
      return setNeedsCode(true);
    }
    continueTo(next);
  };
  useEffect(() => {
    if (needsCode) document.getElementsByName("code")[0]!.focus();
  }, [needsCode]);
  const proceed = (begin: () => void) => {
    begin();
    continueTo(next === "/account" && currentBuyer() === null ? "/" : next);
  };
  return (
    <div class="page page-narrow">
      <h1>{t.signIn.title}</h1>
      {hasEnded && (
        <p class="notice" role="status">
          {wasGuest ? t.guest.ended : t.signIn.ended} {wasGuest && <a href="/find-tickets">{t.find.title}</a>}
        </p>
      )}
      <Form onSubmit={submit} button={t.signIn.button}>
        {(errorOf) => (
          <>
            <EmailField value={email} onValue={setEmail} error={errorOf("email")} />
            <PasswordField label={t.form.password} error={errorOf("password")} />
            {needsCode && <Field name="code" label={t.signIn.code} note={t.signIn.codeNote} error={errorOf("code")} type="text" autocomplete="one-time-code" maxLength={40} required />}
            <p>
              <a href="/forgot-password">{t.signIn.forgot}</a>
            </p>
          </>
        )}
      </Form>
      <p>
        {t.signIn.new} <a href={withNext("/register", query.next)}>{t.register.title}</a>
      </p>
      {hasEnded ? (
        <p>
          <button type="button" class="link" onClick={() => proceed(continueWithoutAccount)}>
            {t.signIn.withoutAccount}
          </button>
        </p>
      ) : (
        <p class="small">{t.signIn.noAccountNeeded}</p>
      )}
      {isDemoStage && buyer?.kind !== "demo" && (
        <section class="notice">
          <h2>{t.demo.title}</h2>
          <p>{t.demo.offer}</p>
          <button type="button" class="button button-quiet" onClick={() => proceed(useDemoIdentity)}>
            {t.demo.use}
          </button>
        </section>
      )}
    </div>
  );
}
