/** The entry of the pages for managers. It is separate from the shop's, so that buyers load none of it. */

import { type ComponentType, type JSX } from "preact";
import { ErrorBoundary, lazy, LocationProvider, Route, Router, useLocation } from "preact-iso";
import { withNext } from "../next-page";
import { Failure, FailureTexts, Skeleton } from "../parts/failure";
import { useAction, useLoaded, useTitle } from "../parts/hooks";
import { LoadFailed } from "../parts/load-failed";
import { hasDemoIdentity, useBuyer } from "../session";
import { start, useTexts } from "../texts";
import { becomePromoter, getMe } from "./api";
import { Beside, Layout } from "./layout";
import { PAGES, type Page } from "./pages";
import { hasWork, mayAnywhere } from "./rights";
import { TEXTS, useRoomTexts } from "./texts";
import { EventProvider, MeProvider, useEventState, useMay, useMe } from "./who";

const EVENT = /^\/manage\/events\/(?!new$)([^/]+)/;

function App() {
  return (
    <LocationProvider scope={/^\/manage(\/|$|\?)/}>
      <Translated />
    </LocationProvider>
  );
}

function Translated() {
  const codes = useRoomTexts("failures");
  const { buyer } = useBuyer();
  return <FailureTexts.Provider value={codes}>{buyer?.kind === "account" ? <SignedIn key={buyer.id} /> : <Stranger />}</FailureTexts.Provider>;
}

function Stranger() {
  const { t } = useTexts();
  const own = useRoomTexts("shell");
  const { url } = useLocation();
  useTitle(own.signInTitle);
  return (
    <Layout me={null}>
      <div class="page page-narrow">
        <h1>{own.signInTitle}</h1>
        <p class="lead">{own.signInText}</p>
        <p class="row">
          <a class="button" href={withNext("/sign-in", url)}>
            {t.signIn.title}
          </a>
          <a class="button button-quiet" href="/register?role=promoter&next=/manage">
            {own.becomePromoter}
          </a>
        </p>
      </div>
    </Layout>
  );
}

function SignedIn() {
  const own = useRoomTexts("shell");
  const { value, failure, reload } = useLoaded(() => Promise.all([getMe(), hasDemoIdentity()]), "me");
  const { path } = useLocation();
  if (!value) {
    return (
      <Layout me={null}>
        <div class="page">{failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={6} />}</div>
      </Layout>
    );
  }
  const [me, isDemoStage] = value;
  if (me.lacks_second_factor) {
    return (
      <Layout me={me}>
        <Message title={own.secondFactorTitle} text={own.secondFactorText} href="/account#second-factor" link={own.toAccount} />
      </Layout>
    );
  }
  if (!hasWork(me)) {
    return (
      <Layout me={me}>
        <NothingToManage />
      </Layout>
    );
  }
  return (
    <MeProvider value={me}>
      <EventProvider eventId={EVENT.exec(path)?.[1] ?? null}>
        <Layout me={me} isDemoStage={isDemoStage}>
          <Beside me={me}>
            <ErrorBoundary>
              <Router onRouteChange={() => scrollTo(0, 0)}>
                {ROUTES.map(({ page, component }) => (
                  <Route key={page.path} path={page.path} component={component} />
                ))}
                <Route default component={NoPage} />
              </Router>
            </ErrorBoundary>
          </Beside>
        </Layout>
      </EventProvider>
    </MeProvider>
  );
}

const ROUTES = PAGES.map((page) => {
  const Content = lazy<ComponentType>(() => page.load().catch(() => LoadFailed));
  return { page, component: () => <GuardedPage page={page} content={<Content />} /> };
});

/** Shows a page once its event is loaded and if the user's role allows it. */
function GuardedPage({ page, content }: { page: Page; content: JSX.Element }) {
  const name = useRoomTexts("pages")[page.name];
  const own = useRoomTexts("shell");
  const may = useMay();
  const me = useMe();
  const { value: event, failure, reload } = useEventState();
  const isEventPage = page.path.includes(":eventId");
  useTitle(event ? `${name} · ${event.name}` : name);
  if (isEventPage && !event) {
    if (failure?.status === 404) return <Message title={own.noEventTitle} text={own.noEventText} />;
    return <div class="page">{failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={8} />}</div>;
  }
  if (page.right && !(isEventPage ? may(page.right) : mayAnywhere(page.right, me))) return <Message title={own.noAccessTitle} text={own.noAccessText} />;
  return content;
}

function NoPage() {
  const own = useRoomTexts("shell");
  useTitle(own.noPageTitle);
  return <Message title={own.noPageTitle} text={own.noPageText} />;
}

/** A new token has the new role, and a page that loads again gets one. */
function NothingToManage() {
  const own = useRoomTexts("shell");
  const { isWorking, failure, run } = useAction();
  useTitle(own.product);
  const become = () =>
    run(async () => {
      await becomePromoter();
      location.reload();
    });
  return (
    <div class="page page-narrow">
      <h1>{own.nothingTitle}</h1>
      <p class="lead">{own.nothingText}</p>
      <p>
        <a href="/account">{own.toAccount}</a>
      </p>
      {failure && <Failure failure={failure} />}
      <button type="button" class="button" disabled={isWorking} onClick={become}>
        {own.sellHere}
      </button>
    </div>
  );
}

function Message({ title, text, href = "/manage", link }: { title: string; text: string; href?: string; link?: string }) {
  const own = useRoomTexts("shell");
  return (
    <div class="page page-narrow">
      <h1>{title}</h1>
      <p class="lead">{text}</p>
      <a class="button button-quiet" href={href}>
        {link ?? own.overview}
      </a>
    </div>
  );
}

void start(<App />, TEXTS);
