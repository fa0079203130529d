/** The registration page, with `?role=promoter` for promoters. A guest's tickets and place in line move to the account. */

import { useLocation } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { ApiFailure, mailVerification } from "../api";
import { useContinue } from "../parts/entries";
import { Failure, Outcome } from "../parts/failure";
import { EmailField, Field, Form, PasswordField } from "../parts/form";
import { useAction, useKept, useTitle } from "../parts/hooks";
import { register, signIn, useBuyer } from "../session";
import { useTexts } from "../texts";
import { safeAddress, withNext } from "../next-page";

export function Register() {
  const { t } = useTexts();
  const { query } = useLocation();
  const continueTo = useContinue();
  const { buyer } = useBuyer();
  const [invitation] = useState(() => new URLSearchParams(location.hash.slice(1))); // in the fragment, which no server logs
  const [email, setEmail] = useKept("fairgate.email", "");
  const [names, setNames] = useKept("fairgate.own-names", { first: "", last: "", company: "" });
  const [, setToConfirm] = useKept("fairgate.to-confirm", ""); // the checkout mentions the email
  const [isMailed, setMailed] = useState(false);
  const [isGuest] = useState(buyer?.kind === "guest");
  const isPromoter = query.role === "promoter";
  const title = isPromoter ? t.register.promoterTitle : t.register.title;
  useTitle(title);
  useEffect(() => {
    if (!invitation.has("token")) return;
    if (buyer?.kind === "account") continueTo(safeAddress(query.next) ?? "/account");
    else setEmail(invitation.get("email") ?? "");
  }, []);
  const submit = async ({ password }: Record<string, string>) => {
    const account = { email: email.trim(), password: password!, first_name: names.first.trim() || null, last_name: names.last.trim() || null, invitation: invitation.get("token") };
    const mustVerify = await register(isPromoter ? { ...account, role: "promoter", company: names.company?.trim() || null } : account);
    if (mustVerify) return setMailed(true);
    try {
      await signIn(account.email, account.password);
    } catch (error) {
      // The address has an account with another password. The registration's reply must not reveal that; the email does.
      if (error instanceof ApiFailure && error.code === "login_failed") return setMailed(true);
      throw error;
    }
    setToConfirm(account.email);
    continueTo(safeAddress(query.next) ?? (isPromoter ? "/manage" : "/account"));
  };
  return (
    <div class="page page-narrow">
      <h1>{title}</h1>
      {isMailed ? (
        <Mailed email={email.trim()} next={safeAddress(query.next)} canContinue={isGuest} />
      ) : (
        <>
          <p class="lead">{invitation.has("token") ? t.register.invitedLead : isPromoter ? t.register.promoterLead : isGuest ? t.register.guestLead : t.register.lead}</p>
          <Form onSubmit={submit} button={t.register.button}>
            {(errorOf) => (
              <>
                <EmailField value={email} onValue={setEmail} error={errorOf("email")} />
                <PasswordField label={t.form.password} isNew error={errorOf("password")} />
                {isPromoter && (
                  <Field
                    name="company"
                    label={t.register.company}
                    error={errorOf("company")}
                    autocomplete="organization"
                    maxLength={200}
                    type="text"
                    value={names.company}
                    onInput={({ currentTarget }) => setNames({ ...names, company: currentTarget.value })}
                  />
                )}
                <Field
                  name="first_name"
                  label={t.form.firstName}
                  error={errorOf("first_name")}
                  autocomplete="given-name"
                  maxLength={100}
                  type="text"
                  value={names.first}
                  onInput={({ currentTarget }) => setNames({ ...names, first: currentTarget.value })}
                />
                <Field
                  name="last_name"
                  label={t.form.lastName}
                  error={errorOf("last_name")}
                  autocomplete="family-name"
                  maxLength={100}
                  type="text"
                  value={names.last}
                  onInput={({ currentTarget }) => setNames({ ...names, last: currentTarget.value })}
                />
              </>
            )}
          </Form>
          <p>
            {t.register.known} <a href={withNext("/sign-in", query.next)}>{t.signIn.title}</a>
          </p>
        </>
      )}
    </div>
  );
}

/** `canContinue`: a guest can keep buying as a guest until the address is confirmed. */
function Mailed({ email, next, canContinue }: { email: string; next: string | null; canContinue: boolean }) {
  const { t } = useTexts();
  return (
    <Outcome tone="good" title={t.account.mailSent}>
      <p>{t.register.mailedText(email)}</p>
      <p class="row">
        {canContinue && next ? (
          <a class="button" href={next}>
            {t.register.goOn}
          </a>
        ) : (
          <a class="button" href={withNext("/sign-in", next ?? undefined)}>
            {t.signIn.title}
          </a>
        )}
        <ResendVerification email={email} />
      </p>
    </Outcome>
  );
}

export function ResendVerification({ email }: { email: string }) {
  const { t } = useTexts();
  const { isWorking, failure, run } = useAction();
  const [isSent, setSent] = useState(false);
  const resend = () =>
    run(async () => {
      await mailVerification(email);
      setSent(true);
    });
  if (failure) return <Failure failure={failure} retry={resend} />;
  return isSent ? (
    <span role="status">{t.register.resent}</span>
  ) : (
    <button type="button" class="link" onClick={resend} disabled={isWorking}>
      {t.register.resend}
    </button>
  );
}
