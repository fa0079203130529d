/** The frame of the pages for managers. The navigation lists the pages that the user may open, and those of the current event. */

import type { ComponentChildren } from "preact";
import { useLocation } from "preact-iso";
import { useEffect, useRef } from "preact/hooks";
import { withNext } from "../next-page";
import { Frame } from "../parts/frame";
import { seeAsBuyer, useBuyer } from "../session";
import { useTexts } from "../texts";
import type { Me } from "./api";
import { PAGES, type Page } from "./pages";
import { EventStatus } from "./parts/event-status";
import { may, mayAnywhere, rolesOf } from "./rights";
import { useRoomTexts } from "./texts";
import { useEventState } from "./who";

interface LayoutProps {
  /** Null while the user is unknown or not signed in. */
  me: Me | null;
  /** Only demo stages let managers view the shop as a buyer; parts/layout.tsx has the way back. */
  isDemoStage?: boolean;
  children: ComponentChildren;
}

export function Layout({ me, isDemoStage = false, children }: LayoutProps) {
  const { t } = useTexts();
  const own = useRoomTexts("shell");
  const { url } = useLocation();
  const { hasEnded } = useBuyer();
  const seeShop = () => {
    seeAsBuyer();
    location.assign("/");
  };
  const navigation = (
    <nav aria-label={t.nav.label}>
      <a href="/">{own.shop}</a>
      {me && <a href="/door">{own.door}</a>}
      {me && <a href="/account">{own.account}</a>}
      {isDemoStage && (
        <button type="button" class="link" onClick={seeShop}>
          {own.asBuyer}
        </button>
      )}
    </nav>
  );
  const banner = hasEnded && (
    <p class="banner" role="status">
      {t.signIn.endedShort} <a href={withNext("/sign-in", url)}>{t.signIn.again}</a>
    </p>
  );
  return (
    <Frame home="/manage" product={own.product} navigation={navigation} banner={banner}>
      {children}
    </Frame>
  );
}

/** The page with its navigation. Needs the contexts of `useMe` and `useEventState`. */
export function Beside({ me, children }: { me: Me; children: ComponentChildren }) {
  const own = useRoomTexts("shell");
  const { value: event, eventId, failure } = useEventState();
  const { path } = useLocation();
  const isFor = ({ right }: Page) => right === null || mayAnywhere(right, me);
  const isForEvent = ({ right }: Page) => right === null || may(right, me, event ?? undefined);
  const listed = PAGES.filter((page) => page.isListed && (isEventPage(page) ? isForEvent(page) : isFor(page)));
  const eventPages = event ? listed.filter(isEventPage) : [];
  const inEvent = (address: string) => (event ? address.replace(":eventId", event.id) : address);
  const addressOf = (page: Page) => inEvent(page.path);
  const overviewClass = path === `/manage/events/${eventId}` ? " side-of-overview" : "";
  const under = PAGES.find((page) => addressOf(page) === path)?.under;
  const current = nearest(under ? inEvent(under) : path, listed.map(addressOf));
  return (
    <div class="beside">
      <div class="side">
        <nav aria-label={own.navigation}>
          <ul>
            {listed.filter((page) => !isEventPage(page)).map((page) => (
              <Entry key={page.path} page={page} address={page.path} current={current} />
            ))}
          </ul>
        </nav>
        {eventId && !event && !failure && <div class={`side-placeholder${overviewClass}`} />}
        {event && eventPages.length > 0 && (
          <nav aria-label={own.thisEvent}>
            <p class={`side-event${overviewClass}`}>
              {event.name} <EventStatus event={event} as="span" />
            </p>
            <ul>
              {eventPages.map((page) => (
                <Entry key={page.path} page={page} address={addressOf(page)} current={current} />
              ))}
            </ul>
          </nav>
        )}
        <p class="small side-role">{(event ? rolesOf(me, event) : rolesOf(me)).map((role) => own.roles[role]).join(", ")}</p>
      </div>
      <div class="side-page">{children}</div>
    </div>
  );
}

/** `current`: the address of the listed page that is shown, or that the shown page belongs to. */
function Entry({ page, address, current }: { page: Page; address: string; current: string | null }) {
  const name = useRoomTexts("pages")[page.name];
  const { path } = useLocation();
  const link = useRef<HTMLAnchorElement>(null);
  const isCurrent = address === current;
  useEffect(() => {
    if (isCurrent) link.current?.scrollIntoView({ inline: "center", block: "nearest" }); // on a phone the navigation is wider than the screen
  }, [isCurrent, name]);
  return (
    <li>
      <a href={address} ref={link} aria-current={isCurrent ? (path === address ? "page" : "true") : undefined}>
        {name}
      </a>
    </li>
  );
}

/** The longest address that equals the path or is a parent of it; null if there is none. */
function nearest(path: string, addresses: string[]): string | null {
  const matches = addresses.filter((address) => path === address || path.startsWith(`${address}/`));
  return matches.toSorted((a, b) => b.length - a.length)[0] ?? null;
}

const isEventPage = (page: Page) => page.path.includes(":eventId");
