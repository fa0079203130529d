/** Signing in with an authenticator app or a passkey, setting them up, the recovery codes, and turning them off. Loaded when it is needed. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiFailure, buyer, type User } from "../api";
import { content, publicApi, type Schemas } from "../client";
import { day } from "../formats";
import { COOKIE, startSession } from "../session";
import { useTexts } from "../texts";
import type { secondFactorTexts as en } from "../texts/en-second-factor";
import { inEachLanguage } from "../texts/languages";
import { Failure, FailureTexts } from "./failure";
import { Field, Form, PasswordField } from "./form";
import { useAction, useLoaded } from "./hooks";

/** All languages are in this file, because they are smaller than a second request. */
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-second-factor.ts", { eager: true, import: "secondFactorTexts" }));
const PATH = "/auth/me/second-factor";
const PASSKEYS = "/auth/me/passkeys";
const useOwnTexts = () => TEXTS[useTexts().language];

/** The code at a sign-in. `error` is not null if a code was wrong. */
export function CodeField({ error }: { error: string | null }) {
  const own = useOwnTexts();
  useEffect(() => document.getElementsByName("code")[0]!.focus(), []);
  return <Field name="code" label={own.appCode} note={own.appCodeNote} error={error && own.failures.second_factor_required!} type="text" autocomplete="one-time-code" maxLength={40} required />;
}

/** Signs in with a passkey, without a password. Browsers do not support passkeys at an IP address. */
export function PasskeySignIn({ onDone }: { onDone: () => void }) {
  const own = useOwnTexts();
  const { isWorking, failure, run } = useAction();
  const signIn = async () => {
    const body = await sign();
    await startSession(() => content(publicApi.POST("/auth/passkeys/login", { ...COOKIE, body })));
    onDone();
  };
  return (
    CAN_USE_PASSKEYS && (
      <FailureTexts.Provider value={own.failures}>
        <p>
          <button type="button" class="button button-quiet" onClick={() => run(signIn)} disabled={isWorking}>
            {own.passkeySignIn}
          </button>
        </p>
        {failure && <Failure failure={failure} />}
      </FailureTexts.Provider>
    )
  );
}

export function SecondFactor({ me, reload: reloadMe }: { me: User; reload: () => Promise<void> }) {
  const own = useOwnTexts();
  const [codes, setCodes] = useState<string[] | null>(null);
  const { value, failure, reload: reloadPasskeys } = useLoaded(() => content(buyer.GET(PASSKEYS)), "passkeys");
  const reload = async () => void (await Promise.all([reloadMe(), reloadPasskeys()]));
  const hasPasskeys = CAN_USE_PASSKEYS && !!value?.passkeys.length;
  const added = async (codes: string[]) => (codes.length > 0 ? setCodes(codes) : await reload());
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
        ) : (
          <>
            <p>{me.second_factor ? own.on : me.lacks_second_factor ? own.lacking : own.off}</p>
            {failure && !value && <Failure failure={failure} retry={reload} />}
            {value && (
              <>
                <h3>{own.app}</h3>
                <More summary={value.authenticator_app ? own.another : own.begin}>
                  <SetUp needsCode={me.second_factor} hasPasskeys={hasPasskeys} onDone={setCodes} />
                </More>
                {value.authenticator_app && (
                  <More summary={own.remove}>
                    <Removal hasPasskeys={hasPasskeys} onDone={reload} />
                  </More>
                )}
                <h3>{own.passkeys}</h3>
                <p>{CAN_USE_PASSKEYS ? own.passkeysText : own.noPasskeys}</p>
                {value.passkeys.map((passkey) => (
                  <PasskeyRow key={passkey.id} passkey={passkey} hasPasskeys={hasPasskeys} onDone={reload} />
                ))}
                {CAN_USE_PASSKEYS && (
                  <More key={value.passkeys.length} summary={own.addPasskey}>
                    <NewPasskey needsCode={me.second_factor} hasPasskeys={hasPasskeys} onDone={added} />
                  </More>
                )}
                {hasPasskeys && (
                  <More summary={own.passkeyCode}>
                    <PasskeyCode />
                  </More>
                )}
              </>
            )}
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

interface StepProps<Result> {
  /** Whether the account has a second factor already. */
  needsCode?: boolean;
  hasPasskeys: boolean;
  onDone: (result: Result) => void | Promise<void>;
}

function SetUp({ needsCode, hasPasskeys, onDone }: StepProps<string[]>) {
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
            {needsCode && <PresentCode hasPasskeys={hasPasskeys} error={errorOf("code")} />}
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

function Removal({ hasPasskeys, onDone }: StepProps<void>) {
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
          <PresentCode hasPasskeys={hasPasskeys} error={errorOf("code")} />
        </>
      )}
    </Form>
  );
}

function NewPasskey({ needsCode, hasPasskeys, onDone }: StepProps<string[]>) {
  const { t } = useTexts();
  const own = useOwnTexts();
  const submit = async ({ name, current_password, code }: Record<string, string>) => {
    const options = await content(buyer.POST(`${PASSKEYS}/challenge`, { body: { password: current_password!, ...(code && { code: code.trim() }) } }));
    const body = { name: name!.trim(), ...(await create(options)) };
    await onDone((await content(buyer.POST(PASSKEYS, { body }))).recovery_codes);
  };
  return (
    <Form onSubmit={submit} button={own.addPasskey} class="fields" isQuiet>
      {(errorOf) => (
        <>
          <Field name="name" label={own.passkeyName} note={own.passkeyNameNote} error={errorOf("name")} type="text" autocomplete="off" maxLength={60} required />
          <PasswordField name="current_password" label={t.form.currentPassword} error={errorOf("current_password")} />
          {needsCode && <PresentCode hasPasskeys={hasPasskeys} error={errorOf("code")} />}
        </>
      )}
    </Form>
  );
}

function PasskeyRow({ passkey: { id: passkey_id, name, created_at, used_at }, hasPasskeys, onDone }: StepProps<void> & { passkey: Schemas["PasskeyView"] }) {
  const own = useOwnTexts();
  const { locale } = useTexts();
  const remove = async ({ code }: Record<string, string>) => {
    await content(buyer.DELETE(`${PASSKEYS}/{passkey_id}`, { params: { path: { passkey_id } }, body: { code: code!.trim() } }));
    await onDone();
  };
  return (
    <More summary={`${name} · ${used_at ? own.used(day(used_at, undefined, locale)) : own.added(day(created_at, undefined, locale))}`}>
      <Form onSubmit={remove} button={own.removePasskey} class="fields" isQuiet>
        {(errorOf) => <PresentCode hasPasskeys={hasPasskeys} error={errorOf("code")} />}
      </Form>
    </More>
  );
}

/** A code for another page, such as that of API keys. */
function PasskeyCode() {
  const own = useOwnTexts();
  const [code, setCode] = useState<string | null>(null);
  const { isWorking, failure, run } = useAction();
  return (
    <div class="fields">
      <p class="small">{own.passkeyCodeText}</p>
      {code ? (
        <p class="code" role="status">
          {code}
        </p>
      ) : (
        <button type="button" class="button button-quiet" onClick={() => run(async () => setCode(await getCode()))} disabled={isWorking}>
          {own.usePasskey}
        </button>
      )}
      {failure && <Failure failure={failure} />}
    </div>
  );
}

/** A code that proves who owns the account. A passkey can fill it in. */
function PresentCode({ hasPasskeys, error }: { hasPasskeys: boolean; error: string | null }) {
  const own = useOwnTexts();
  const [code, setCode] = useState("");
  const { isWorking, failure, run } = useAction();
  const fill = async () => setCode(await getCode());
  return (
    <>
      <Field
        name="code"
        label={own.code}
        error={error}
        type="text"
        autocomplete="one-time-code"
        maxLength={40}
        required
        value={code}
        onInput={({ currentTarget }) => setCode(currentTarget.value)}
      >
        {hasPasskeys && (
          <button type="button" class="link" onClick={() => run(fill)} disabled={isWorking}>
            {own.usePasskey}
          </button>
        )}
      </Field>
      {failure && <Failure failure={failure} />}
    </>
  );
}

// Passkeys: the calls of the browser, whose bytes the API sends and takes in base64url.

const CAN_USE_PASSKEYS = "PublicKeyCredential" in window && !/^[\d.]+$|:/.test(location.hostname);
const encode = (bytes: ArrayBuffer) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
const decode = (text: string) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (character) => character.charCodeAt(0));

/** What a browser's question to an authenticator returns. People may turn it down, or have no passkey for this shop. */
async function answer<Response>(question: Promise<Credential | null>) {
  const found = await question.catch(() => null);
  if (!found) throw new ApiFailure("passkey_unused", 0, "", null);
  return found as PublicKeyCredential & { response: Response };
}

async function create({ challenge, site, site_name, user_handle, user_name, algorithms, known_credentials }: Schemas["NewPasskeyView"]) {
  const { response } = await answer<AuthenticatorAttestationResponse>(
    navigator.credentials.create({
      publicKey: {
        challenge: decode(challenge),
        rp: { id: site, name: site_name },
        user: { id: decode(user_handle), name: user_name, displayName: user_name },
        pubKeyCredParams: algorithms.map((alg) => ({ type: "public-key", alg })),
        excludeCredentials: known_credentials.map((id) => ({ type: "public-key", id: decode(id) })),
        authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
      },
    }),
  );
  return { client_data: encode(response.clientDataJSON), attestation: encode(response.attestationObject) };
}

const getCode = async () => (await content(buyer.POST(`${PASSKEYS}/code`, { body: await sign() }))).code;

/** Let a passkey of this shop sign a new challenge. */
async function sign(): Promise<Schemas["PasskeySignature"]> {
  const { challenge, site } = await content(publicApi.POST("/auth/passkeys/challenge"));
  const publicKey: PublicKeyCredentialRequestOptions = { challenge: decode(challenge), rpId: site, userVerification: "required" };
  const { rawId, response } = await answer<AuthenticatorAssertionResponse>(navigator.credentials.get({ publicKey }));
  return {
    credential_id: encode(rawId),
    user_handle: encode(response.userHandle ?? new ArrayBuffer(0)),
    client_data: encode(response.clientDataJSON),
    authenticator_data: encode(response.authenticatorData),
    signature: encode(response.signature),
  };
}
