/** Entry of the door, a separate app that can be installed and works offline (docs/checkin.md). */

import { LocationProvider, useLocation } from "preact-iso";
import { withNext } from "../next-page";
import { FailureTexts, Skeleton } from "../parts/failure";
import { Frame } from "../parts/frame";
import { useTitle } from "../parts/hooks";
import { useBuyer } from "../session";
import { start, useTexts } from "../texts";
import { CounterPage } from "./counter/counter-page";
import { DoorPage } from "./door-page";
import { ChooseCounter, Setup } from "./setup";
import { TEXTS, useDoorTexts } from "./texts";
import { useDoor } from "./use-door";

const ADDRESS = "/door";
const COUNTER_ADDRESS = "/door/box-office";

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
  const { path, url } = useLocation();
  const isStaff = buyer?.kind === "account";
  const isCounter = path === COUNTER_ADDRESS;
  const [product, failures] = isCounter ? [d.counter.title, { ...d.failures, ...d.counter.failures }] : [d.product, d.failures];
  useTitle(product);
  const navigation = isStaff && (
    <nav aria-label={t.nav.label}>
      {buyer.isManager && <a href="/manage">{t.nav.manage}</a>}
      <a href="/account">{d.account}</a>
    </nav>
  );
  return (
    <FailureTexts.Provider value={failures}>
      <Frame home={isCounter ? COUNTER_ADDRESS : ADDRESS} product={product} navigation={navigation} saysOffline>
        {isCounter && isStaff && (
          <div class="page page-narrow door counter">
            <CounterOfEvent userId={buyer.id} />
          </div>
        )}
        {!isCounter && <DoorOfDevice userId={isStaff ? buyer.id : null} />}
        {isCounter && !isStaff && (
          <div class="page door">
            <SignIn url={url} />
          </div>
        )}
      </Frame>
    </FailureTexts.Provider>
  );
}

function SignIn({ url }: { url: string }) {
  const { d } = useDoorTexts();
  return (
    <>
      <h1>{d.signInTitle}</h1>
      <p class="lead">{d.signInText}</p>
      <a class="button" href={withNext("/sign-in", url)}>
        {d.signIn}
      </a>
    </>
  );
}

function CounterOfEvent({ userId }: { userId: string }) {
  const { query, route } = useLocation();
  if (query.event) return <CounterPage key={`${userId} ${query.event}`} userId={userId} eventId={query.event} />;
  return <ChooseCounter userId={userId} open={(eventId) => route(`${COUNTER_ADDRESS}?event=${eventId}`)} />;
}

/** The door of this device, of which one tab at a time takes care. `userId` is null while nobody has signed in. */
function DoorOfDevice({ userId }: { userId: string | null }) {
  const { d } = useDoorTexts();
  const { query, url } = useLocation();
  const { state, open, leave } = useDoor();
  return (
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
          {state.stage === "ready" && !state.door && userId && <Setup key={userId} userId={userId} eventId={query.event} store={state.store} open={open} />}
          {state.stage === "ready" && !state.door && !userId && <SignIn url={url} />}
        </div>
  );
}

void start(<App />, TEXTS);
