/** The account page: signing out, details, address, password, second factor, devices, waitlists and data. */

import { ErrorBoundary, lazy, useLocation } from "preact-iso";
import { useState } from "preact/hooks";
import { getMe, updateMe, type User } from "../api";
import { Failure, Outcome, Skeleton } from "../parts/failure";
import { Field, Form, PasswordField } from "../parts/form";
import { useAction, useLoaded, useTitle } from "../parts/hooks";
import { Invitations } from "../parts/invitations";
import { LoadFailed } from "../parts/load-failed";
import { OwnAddress } from "../parts/own-address";
import { OwnData } from "../parts/own-data";
import { SessionList } from "../parts/session-list";
import { OwnWaitlists } from "../parts/waitlist";
import { changePassword, signOut, useBuyer } from "../session";
import { useTexts } from "../texts";
import { useDemoTexts } from "../texts/use-demo";

const SecondFactor = lazy(() => import("../parts/second-factor").then((part) => part.SecondFactor, () => LoadFailed));

export function AccountPage() {
  const { t } = useTexts();
  const { buyer } = useBuyer();
  const [isErased, setErased] = useState(false);
  const erased = () => setErased(true);
  useTitle(t.account.title);
  return (
    <div class="page page-narrow">
      <h1>{t.account.title}</h1>
      {buyer === null ? (
        isErased ? <Erased /> : <SignedOut />
      ) : buyer.kind === "account" ? (
        <Account key={buyer.id} erased={erased} />
      ) : buyer.kind === "guest" ? (
        <Guest erased={erased} />
      ) : (
        <Demo />
      )}
    </div>
  );
}

function SignedOut() {
  const { t } = useTexts();
  return (
    <Outcome tone="calm" title={t.account.nobody}>
      <p>{t.signIn.noAccountNeeded}</p>
      <p class="row">
        <a class="button" href="/sign-in">
          {t.signIn.title}
        </a>
        <a href="/register">{t.register.title}</a>
      </p>
    </Outcome>
  );
}

function Erased() {
  const { t } = useTexts();
  return (
    <Outcome tone="good" title={t.ownData.erased}>
      <p>{t.ownData.erasedText}</p>
      <a class="button" href="/">
        {t.allEvents}
      </a>
    </Outcome>
  );
}

function Guest({ erased }: { erased: () => void }) {
  const { t } = useTexts();
  return (
    <>
      <Outcome tone="calm" title={t.guest.title}>
        <p>
          {t.guest.stays} {t.guest.withAccount}
        </p>
        <p class="row">
          <a class="button" href="/register">
            {t.register.title}
          </a>
          <a href="/sign-in">{t.signIn.title}</a>
        </p>
      </Outcome>
      {ADDONS.reports && <OrdersLink />}
      <OwnData hasAccount={false} onErased={erased} />
    </>
  );
}

function Demo() {
  const own = useDemoTexts();
  return (
    <>
      <Outcome tone="calm" title={own.title}>
        <p>{own.text}</p>
      </Outcome>
      <SignOut label={own.leave} />
      {ADDONS.reports && <OrdersLink />}
      {ADDONS.waitlist && <OwnWaitlists />}
    </>
  );
}

function Account({ erased }: { erased: () => void }) {
  const { t } = useTexts();
  const { value: me, failure, reload } = useLoaded(getMe, "me");
  return (
    <>
      <SignOut label={t.account.signOut} />
      <Invitations />
      {ADDONS.reports && <OrdersLink />}
      {ADDONS.waitlist && <OwnWaitlists />}
      {failure && !me && <Failure failure={failure} retry={reload} />}
      {!me && !failure && <Skeleton lines={6} />}
      {me && <Details me={me} />}
      {me && <SessionList />}
      {me && <Password email={me.email ?? ""} />}
      <ErrorBoundary>{me && <SecondFactor me={me} reload={reload} />}</ErrorBoundary>
      {me && <OwnData hasAccount onErased={erased} />}
    </>
  );
}

function OrdersLink() {
  const { t } = useTexts();
  return (
    <p>
      <a href="/orders">{t.orders.title}</a>
    </p>
  );
}

function Details({ me }: { me: User }) {
  const { t } = useTexts();
  const [isSaved, setSaved] = useState(false);
  const submit = async (fields: Record<string, string>) => {
    setSaved(false);
    await updateMe(Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, text.trim() || null])));
    setSaved(true);
  };
  return (
    <>
      <OwnAddress me={me} />
      <Form onSubmit={submit} button={t.account.save}>
        {(errorOf) => (
          <>
            <h2>{t.account.details}</h2>
            <Field name="first_name" label={t.form.firstName} error={errorOf("first_name")} type="text" autocomplete="given-name" maxLength={100} defaultValue={me.first_name ?? ""} />
            <Field name="last_name" label={t.form.lastName} error={errorOf("last_name")} type="text" autocomplete="family-name" maxLength={100} defaultValue={me.last_name ?? ""} />
            <Field name="phone" label={t.form.phone} error={errorOf("phone")} type="tel" autocomplete="tel" maxLength={32} defaultValue={me.phone ?? ""} />
            <Saved text={isSaved ? t.account.saved : ""} />
          </>
        )}
      </Form>
    </>
  );
}

function Password({ email }: { email: string }) {
  const { t } = useTexts();
  const [changes, setChanges] = useState(0);
  const submit = async ({ current_password, password }: Record<string, string>) => {
    await changePassword(current_password!, password!);
    setChanges(changes + 1);
  };
  return (
    <Form onSubmit={submit} button={t.account.changePassword}>
      {(errorOf) => (
        <>
          <h2>{t.form.password}</h2>
          <input type="email" autocomplete="username" value={email} readOnly hidden />
          <div class="fields" key={changes}>
            <PasswordField name="current_password" label={t.form.currentPassword} error={errorOf("current_password")} />
            <PasswordField label={t.form.newPassword} isNew error={errorOf("password")} />
          </div>
          <Saved text={changes > 0 ? t.account.passwordChanged : ""} />
        </>
      )}
    </Form>
  );
}

function Saved({ text }: { text: string }) {
  return (
    <p role="status" class={text ? "saved" : "hidden"}>
      {text}
    </p>
  );
}

/** Above everything that loads, so that no tap lands on a part that has just appeared. */
function SignOut({ label }: { label: string }) {
  const { t } = useTexts();
  const { route } = useLocation();
  const { buyer } = useBuyer();
  const { isWorking, failure, run } = useAction();
  const leave = (everywhere: boolean) =>
    run(async () => {
      await signOut(everywhere);
      route("/");
    });
  return (
    <section>
      {failure && <Failure failure={failure} />}
      <p class="row">
        <button type="button" class="button button-quiet" onClick={() => leave(false)} disabled={isWorking}>
          {label}
        </button>
        {buyer?.kind === "account" && (
          <button type="button" class="link" onClick={() => leave(true)} disabled={isWorking}>
            {t.account.signOutEverywhere}
          </button>
        )}
      </p>
    </section>
  );
}
