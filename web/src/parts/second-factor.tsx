/** Signing in with an authenticator app, setting it up, the recovery codes, and turning it off. Loaded only when somebody needs it. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { buyer, type User } from "../api";
import { content, type Schemas } from "../client";
import { useTexts } from "../texts";
import type { secondFactorTexts as en } from "../texts/en-second-factor";
import { inEachLanguage } from "../texts/languages";
import { FailureTexts } from "./failure";
import { Field, Form, PasswordField } from "./form";

/** All languages are in this file, because they are smaller than a second request. */
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-second-factor.ts", { eager: true, import: "secondFactorTexts" }));
const PATH = "/auth/me/second-factor";
const useOwnTexts = () => TEXTS[useTexts().language];

/** The code at a sign-in. `error` is not null if a code was wrong. */
export function CodeField({ error }: { error: string | null }) {
  const own = useOwnTexts();
  useEffect(() => document.getElementsByName("code")[0]!.focus(), []);
  return <Field name="code" label={own.appCode} note={own.appCodeNote} error={error && own.failures.second_factor_required!} type="text" autocomplete="one-time-code" maxLength={40} required />;
}

export function SecondFactor({ me, reload }: { me: User; reload: () => Promise<void> }) {
  const own = useOwnTexts();
  const [codes, setCodes] = useState<string[] | null>(null);
  return (
    <FailureTexts.Provider value={own.failures}>
      <section class="panel" id="second-factor">
        <h2>{own.title}</h2>
        {codes ? (
          <>
            <h3>{own.codesTitle}</h3>
            <p role="status">{own.codesText}</p>
            <ul>
              {codes.map((code) => (
                <li key={code} class="code">
                  {code}
                </li>
              ))}
            </ul>
            {/* A page that loads again gets a token with the rights of a manager. */}
            <button type="button" class="button" onClick={() => location.reload()}>
              {own.saved}
            </button>
          </>
        ) : me.second_factor ? (
          <>
            <p>{own.on}</p>
            <More summary={own.another}>
              <SetUp replaces onDone={setCodes} />
            </More>
            <More summary={own.remove}>
              <Removal onDone={reload} />
            </More>
          </>
        ) : (
          <>
            <p>{me.lacks_second_factor ? own.lacking : own.off}</p>
            <More summary={own.begin}>
              <SetUp onDone={setCodes} />
            </More>
          </>
        )}
      </section>
    </FailureTexts.Provider>
  );
}

function More({ summary, children }: { summary: string; children: ComponentChildren }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="more" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>{summary}</summary>
      {isOpen && children}
    </details>
  );
}

function SetUp({ replaces, onDone }: { replaces?: boolean; onDone: (codes: string[]) => void }) {
  const { t } = useTexts();
  const own = useOwnTexts();
  const [app, setApp] = useState<Schemas["NewSecondFactorView"] | null>(null);
  const begin = async ({ current_password, code }: Record<string, string>) =>
    setApp(await content(buyer.POST(PATH, { body: { password: current_password!, ...(code && { code: code.trim() }) } })));
  const confirm = async ({ code }: Record<string, string>) => onDone((await content(buyer.PUT(PATH, { body: { code: code!.trim() } }))).recovery_codes);
  if (!app) {
    return (
      <Form key="begin" onSubmit={begin} button={own.begin} class="fields" isQuiet>
        {(errorOf) => (
          <>
            <PasswordField name="current_password" label={t.form.currentPassword} error={errorOf("current_password")} />
            {replaces && <PresentCode error={errorOf("code")} />}
          </>
        )}
      </Form>
    );
  }
  return (
    <Form key="confirm" onSubmit={confirm} button={own.confirm} class="fields">
      {(errorOf) => (
        <>
          <p>{own.scan}</p>
          <img class="qr" src={`data:image/svg+xml,${encodeURIComponent(app.qr_code)}`} alt={own.qr} width="240" height="240" />
          <p>
            {own.key}: <span class="code">{app.secret}</span>
          </p>
          <Field name="code" label={own.digits} error={errorOf("code")} type="text" inputmode="numeric" autocomplete="one-time-code" maxLength={40} required />
        </>
      )}
    </Form>
  );
}

function Removal({ onDone }: { onDone: () => Promise<void> }) {
  const { t } = useTexts();
  const own = useOwnTexts();
  const remove = async ({ current_password, code }: Record<string, string>) => {
    await content(buyer.DELETE(PATH, { body: { password: current_password!, code: code!.trim() } }));
    await onDone();
  };
  return (
    <Form onSubmit={remove} button={own.removeNow} class="fields" isQuiet>
      {(errorOf) => (
        <>
          <PasswordField name="current_password" label={t.form.currentPassword} error={errorOf("current_password")} />
          <PresentCode error={errorOf("code")} />
        </>
      )}
    </Form>
  );
}

/** A code that proves who owns the present app. */
function PresentCode({ error }: { error: string | null }) {
  const own = useOwnTexts();
  return <Field name="code" label={own.code} error={error} type="text" autocomplete="one-time-code" maxLength={40} required />;
}
