/** Entry of the door, a separate app that can be installed and works offline (docs/checkin.md). */

import { LocationProvider, useLocation } from "preact-iso";
import { withNext } from "../next-page";
import { FailureTexts, Skeleton } from "../parts/failure";
import { Frame } from "../parts/frame";
import { useTitle } from "../parts/hooks";
import { useBuyer } from "../session";
import { start, useTexts } from "../texts";
import { DoorPage } from "./door-page";
import { Setup } from "./setup";
import { TEXTS, useDoorTexts } from "./texts";
import { useDoor } from "./use-door";

const ADDRESS = "/door";

function App() {
  return (
    <LocationProvider scope={/^\/door(\/|$|\?)/}>
      <Page />
    </LocationProvider>
  );
}

function Page() {
  const { t } = useTexts();
  const { d } = useDoorTexts();
  const { buyer } = useBuyer();
  const { query, url } = useLocation();
  const { state, open, leave } = useDoor();
  const isStaff = buyer?.kind === "account";
  useTitle(d.title);
  const navigation = isStaff && (
    <nav aria-label={t.nav.label}>
      {buyer.isManager && <a href="/manage">{t.nav.manage}</a>}
      <a href="/account">{d.account}</a>
    </nav>
  );
  return (
    <FailureTexts.Provider value={d.failures}>
      <Frame home={ADDRESS} product={d.product} navigation={navigation} saysOffline>
        <div class="page door">
          {state.stage === "loading" && <Skeleton lines={6} />}
          {state.stage === "elsewhere" && (
            <>
              <h1>{d.otherTabTitle}</h1>
              <p class="lead" role="status">
                {d.otherTabText}
              </p>
            </>
          )}
          {state.stage === "ready" && state.door && <DoorPage door={state.door} leave={leave} />}
          {state.stage === "ready" && !state.door && isStaff && <Setup key={buyer.id} userId={buyer.id} eventId={query.event} store={state.store} open={open} />}
          {state.stage === "ready" && !state.door && !isStaff && (
            <>
              <h1>{d.signInTitle}</h1>
              <p class="lead">{d.signInText}</p>
              <a class="button" href={withNext("/sign-in", url)}>
                {d.signIn}
              </a>
            </>
          )}
        </div>
      </Frame>
    </FailureTexts.Provider>
  );
}

void start(<App />, TEXTS);
