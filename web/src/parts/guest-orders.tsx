/** Offers to move the orders and tickets of the guest who signed in to the account. */

import { useLocation } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { ApiFailure } from "../api";
import { hasGuestOrders, moveGuestOrders, type GuestOrders as Found } from "../session";
import { useTexts } from "../texts";
import { useAction } from "./hooks";

export function GuestOrders() {
  const { t } = useTexts();
  const { path } = useLocation();
  const [found, setFound] = useState<Found | null>(null);
  const { isWorking, failure, run } = useAction();
  useEffect(() => {
    const refused = (error: unknown) => {
      if (!(error instanceof ApiFailure)) throw error; // the next page asks again
    };
    if (hasGuestOrders()) moveGuestOrders(true).then(setFound, refused);
  }, []);
  if (!found || found.orders + found.tickets === 0) return null;
  const move = () =>
    run(async () => {
      await moveGuestOrders(false);
      location.assign(path.endsWith("/checkout") ? path : "/tickets"); // what pages show of the account is no longer right
    });
  const later = () => {
    setFound(null);
    document.getElementById("content")?.focus();
  };
  return (
    <p class="banner" role="status">
      {failure ? t.guest.notMoved : t.guest.move(found.tickets)}{" "}
      <button type="button" class="link" onClick={move} disabled={isWorking}>
        {t.guest.moveNow}
      </button>{" "}
      <button type="button" class="link" onClick={later}>
        {t.guest.moveLater}
      </button>
    </p>
  );
}
