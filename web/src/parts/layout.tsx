/** The frame of the shop's pages: navigation, and the way back when a session has ended. */

import type { ComponentChildren } from "preact";
import { useLocation } from "preact-iso";
import { useEffect } from "preact/hooks";
import { withNext } from "../next-page";
import { isManagerAsBuyer, seeAsManager, useBuyer } from "../session";
import { useTexts } from "../texts";
import { Frame } from "./frame";
import { GuestOrders } from "./guest-orders";

/** Pages that signing in does not return to. */
const STARTING_POINTS = /^\/($|sign-in|register|forgot-password|verify-email|reset-password|find-tickets)/;
/** Pages that show nothing to signed-out visitors. */
const PERSONAL = /^\/(tickets|orders|account)|\/checkout$/;

/** Pages that explain a lost connection themselves. */
const EXPLAINS_OFFLINE = /\/line$/;

export function Layout({ children }: { children: ComponentChildren }) {
  const { t } = useTexts();
  const { path, url, route } = useLocation();
  const { buyer, hasEnded, wasGuest } = useBuyer();
  const again = withNext("/sign-in", STARTING_POINTS.test(path) ? undefined : url);
  const mustSignIn = hasEnded && path !== "/sign-in";
  useEffect(() => {
    if (mustSignIn && PERSONAL.test(path)) route(again, true);
  }, [mustSignIn, path]);
  const navigation = (
    <nav aria-label={t.nav.label}>
      {buyer?.isManager && <a href="/manage">{t.nav.manage}</a>}
      <a href="/" aria-current={path === "/" ? "page" : undefined}>
        {t.nav.events}
      </a>
      <a href="/tickets" aria-current={path === "/tickets" ? "page" : undefined}>
        {t.nav.tickets}
      </a>
      {buyer ? (
        <a href="/account" aria-current={path === "/account" ? "page" : undefined}>
          {t.nav.account}
        </a>
      ) : (
        <a href={path === "/sign-in" ? url : again} aria-current={path === "/sign-in" ? "page" : undefined}>
          {t.signIn.title}
        </a>
      )}
    </nav>
  );
  const manage = () => {
    seeAsManager();
    location.assign("/manage");
  };
  const banner = mustSignIn ? (
    <p class="banner" role="status">
      {wasGuest ? t.guest.endedShort : t.signIn.endedShort} <a href={again}>{wasGuest ? t.guest.endedMore : t.signIn.again}</a>
    </p>
  ) : (
    isManagerAsBuyer() && (
      <p class="banner" role="status">
        {t.demo.asBuyer}{" "}
        <button type="button" class="link" onClick={manage}>
          {t.demo.backToManaging}
        </button>
      </p>
    )
  );
  return (
    <Frame home="/" navigation={navigation} banner={banner || <GuestOrders key={buyer?.id} />} saysOffline={EXPLAINS_OFFLINE.test(path)}>
      {children}
    </Frame>
  );
}
