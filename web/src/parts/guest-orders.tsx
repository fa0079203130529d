/** Offers to move the orders and tickets of the guest who signed in to the account. */

import { useLocation } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { ApiFailure, content, publicApi, type Schemas } from "../client";
import { COOKIE, currentBuyer, GUEST, identityHeaders, LOCK } from "../session";
import { useTexts } from "../texts";
import { useAction } from "./hooks";

type Found = Schemas["GuestOrders"];

/** Move the guest's orders to the account. With `preview`, nothing moves. Returns the numbers of orders and tickets. */
async function moveGuestOrders(preview: boolean): Promise<Found> {
  const headers = await identityHeaders();
  return navigator.locks.request(LOCK, async () => {
    const found = await content(publicApi.POST("/auth/guest/orders", { ...COOKIE, headers, body: { preview } }));
    if (!preview || found.orders + found.tickets === 0) localStorage.removeItem(GUEST);
    return found;
  });
}

export function GuestOrders() {
  const { t } = useTexts();
  const { path } = useLocation();
  const [found, setFound] = useState<Found | null>(null);
  const { isWorking, failure, run } = useAction();
  useEffect(() => {
    const refused = (error: unknown) => {
      if (!(error instanceof ApiFailure)) throw error; // the next page asks again
    };
    if (localStorage.getItem(GUEST) && currentBuyer()?.kind === "account") moveGuestOrders(true).then(setFound, refused);
  }, []);
  if (!found?.tickets) return null;
  const move = () =>
    run(async () => {
      await moveGuestOrders(false);
      location.assign(path.endsWith("/checkout") ? path : "/tickets"); // what the pages show about the account is out of date
    });
  return (
    <p class="banner" role="status">
      {failure && t.failure.title}{" "}
      <button type="button" class="link" onClick={move} disabled={isWorking}>
        {t.guest.move(t.orders.tickets(found.tickets))}
      </button>{" "}
      <button type="button" class="link" onClick={() => setFound(null)}>
        {t.guest.later}
      </button>
    </p>
  );
}
