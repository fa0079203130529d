/** The sign-in page, also for ended sessions, guests, and demo stages. */

import { ErrorBoundary, lazy, useLocation } from "preact-iso";
import { useState } from "preact/hooks";
import { ApiFailure } from "../client";
import { safeAddress, withNext } from "../next-page";
import { currentBuyer, continueWithoutAccount, loadHealth, signIn, useBuyer, useDemoIdentity } from "../session";
import { useContinue } from "../parts/entries";
import { EmailField, Form, PasswordField } from "../parts/form";
import { useKept, useLoaded, useTitle } from "../parts/hooks";
import { useTexts } from "../texts";
import { useDemoTexts } from "../texts/use-demo";

const PasskeySignIn = lazy(() => import("../parts/second-factor").then((part) => part.PasskeySignIn, () => () => null));

const StaffSignIn = lazy(() => import("../parts/staff-sign-in").then((part) => part.StaffSignIn, () => () => null));

export function SignIn() {
  const { t } = useTexts();
  const demo = useDemoTexts();
  const { query } = useLocation();
  const continueTo = useContinue();
  const { buyer, hasEnded, wasGuest } = useBuyer();
  const [email, setEmail] = useKept("fairgate.email", "");
  const { value: health } = useLoaded(loadHealth, "health");
  const next = safeAddress(query.next) ?? "/account";
  useTitle(t.signIn.title);
  const [codes, setCodes] = useState<typeof import("../parts/second-factor") | null>(null); // if this account needs one
  const submit = async ({ password, code }: Record<string, string>) => {
    try {
      await signIn(email.trim(), password!, code?.trim());
    } catch (error) {
      const part = !codes && error instanceof ApiFailure && error.code === "second_factor_required" ? await import("../parts/second-factor").catch(() => null) : null;
      if (!part) throw error;
      return setCodes(part);
    }
    continueTo(next);
  };
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
            {codes && <codes.CodeField error={errorOf("code")} />}
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
      <ErrorBoundary>
        <PasskeySignIn onDone={() => continueTo(next)} />
      </ErrorBoundary>
      {(health?.staff_sign_in || query.state) && (
        <ErrorBoundary>
          <StaffSignIn query={query} next={next} onDone={continueTo} />
        </ErrorBoundary>
      )}
      {health?.identity === "demo" && buyer?.kind !== "demo" && (
        <section class="notice">
          <h2>{demo.title}</h2>
          <p>{demo.offer}</p>
          <button type="button" class="button button-quiet" onClick={() => proceed(useDemoIdentity)}>
            {demo.use}
          </button>
        </section>
      )}
    </div>
  );
}
