/** Signing in through the operator's identity provider: the way there, and the way back with its reply. Loaded only on stages that have one. */

import { useEffect } from "preact/hooks";
import { ApiFailure } from "../api";
import { content, publicApi } from "../client";
import { safeAddress } from "../next-page";
import { COOKIE, startSession } from "../session";
import { useTexts } from "../texts";
import type { staffTexts as en } from "../texts/en-staff-sign-in";
import { inEachLanguage } from "../texts/languages";
import { Failure, FailureTexts } from "./failure";
import { useAction } from "./hooks";

/** All languages are in this file, because they are smaller than a second request. */
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-staff-sign-in.ts", { eager: true, import: "staffTexts" }));
const NEXT = "fairgate.staff-next";

interface Props {
  /** The query of the page: on the way back, the reply of the provider. */
  query: Record<string, string>;
  next: string;
  onDone: (next: string) => void;
}

export function StaffSignIn({ query: { state, code, iss, error }, next, onDone }: Props) {
  const own = TEXTS[useTexts().language];
  const { isWorking, failure, run } = useAction();
  const begin = async () => {
    sessionStorage.setItem(NEXT, next);
    const { address } = await content(publicApi.POST("/auth/staff/begin"));
    const back = new URL(new URL(address).searchParams.get("redirect_uri")!);
    location.assign(back.origin === location.origin ? address : back); // the provider sends nobody back to a promoter's own domain
  };
  const finish = async () => {
    history.replaceState(null, "", "/sign-in"); // the code works once
    if (error || !code) throw new ApiFailure("staff_sign_in_denied", 0, "", null);
    await startSession(() => content(publicApi.POST("/auth/staff/login", { ...COOKIE, body: { state: state!, code, ...(iss && { iss }) } })));
    onDone(safeAddress(sessionStorage.getItem(NEXT) ?? undefined) ?? next);
  };
  useEffect(() => {
    if (state) run(finish);
  }, []);
  return (
    <FailureTexts.Provider value={own.failures}>
      {failure && <Failure failure={failure} />}
      <p>
        <button type="button" class="button button-quiet" onClick={() => run(begin)} disabled={isWorking}>
          {isWorking ? own.working : own.begin}
        </button>
      </p>
    </FailureTexts.Provider>
  );
}
