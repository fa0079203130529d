/**
 * Stripe's Payment Element: a frame by Stripe inside the checkout, and the only part of the page that sees the card number. Stripe.js is
 * loaded from js.stripe.com only when a buyer pays on this page, or saves a card for a waiting room.
 */

import type { Stripe, StripeElements, StripeElementsOptionsMode, StripePaymentElementOptions } from "@stripe/stripe-js";
import { useEffect, useRef, useState } from "preact/hooks";
import { useTexts } from "../texts";
import { Skeleton } from "./failure";

// The address at which this document was loaded. Its policy allows Stripe.js only at the addresses of such pages (docs/web.md).
const LOADED_AT = location.pathname;

// Stripe shows each of these only if the device and the Stripe account offer it, and lists all other methods after them.
const WALLETS_FIRST = ["apple_pay", "google_pay", "link", "card"];

interface Keys {
  client_secret?: string;
  publishable_key?: string | null;
  /** The promoter's account at Stripe, if the payment belongs to it. */
  account?: string | null;
}

/** Reload if the page's policy does not allow Stripe.js, because another page was loaded first. Returns whether it reloads. */
export function reloadForPayment(): boolean {
  const isElsewhere = LOADED_AT !== location.pathname;
  if (isElsewhere) location.reload();
  return isElsewhere;
}

/** Why the payment failed: the provider's code for the reason, if the card was declined or the form is not complete. */
export interface PaymentRefusal {
  code?: string | undefined;
}

/**
 * The element, mounted in `box` once there are keys. Changing the language keeps the buyer's input. `pay` returns why the payment failed; null on success.
 * With `setup`, the element takes a card for something other than a payment, and `loaded` has what else Stripe.js can do with the card.
 */
export function usePaymentElement(keys: Keys | null, setup?: { group: StripeElementsOptionsMode; element: StripePaymentElementOptions }) {
  const { language } = useTexts();
  const box = useRef<HTMLDivElement>(null);
  const loaded = useRef<{ stripe: Stripe; elements: StripeElements } | null>(null);
  const [state, setState] = useState<"loading" | "ready" | "failed">("loading");
  const [attempt, setAttempt] = useState(0);
  const locale = useRef(language);
  locale.current = language;
  const { client_secret: clientSecret, publishable_key: publishableKey, account } = keys ?? {};

  useEffect(() => {
    if (!publishableKey || !(clientSecret || setup)) return;
    let isCurrent = true;
    const show = (shown: typeof state) => isCurrent && setState(shown);
    const draw = async () => {
      const { loadStripe } = await import("@stripe/stripe-js/pure");
      const stripe = await loadStripe(publishableKey, { locale: locale.current, ...(account ? { stripeAccount: account } : {}) });
      if (!isCurrent || !stripe || !box.current) return;
      const elements = stripe.elements({ locale: locale.current, appearance: appearance(box.current), ...(setup?.group ?? { clientSecret }) } as StripeElementsOptionsMode);
      const element = elements.create("payment", setup?.element ?? { paymentMethodOrder: WALLETS_FIRST });
      element.on("ready", () => show("ready"));
      element.on("loaderror", () => show("failed"));
      element.mount(box.current);
      loaded.current = { stripe, elements };
    };
    setState("loading");
    draw().catch(() => show("failed"));
    return () => {
      isCurrent = false;
      loaded.current?.elements.getElement("payment")?.destroy();
      loaded.current = null;
    };
  }, [clientSecret, publishableKey, account, attempt]);
  useEffect(() => {
    loaded.current?.elements.update({ locale: language }); // mounting it again would empty the form
  }, [language]);

  /** Pay. Some payment methods lead to a bank's page, which returns to `returnUrl`; this promise then never settles. */
  const pay = async (returnUrl: string): Promise<PaymentRefusal | null> => {
    if (!loaded.current) return {};
    const { stripe, elements } = loaded.current;
    const { error } = await stripe.confirmPayment({ elements, confirmParams: { return_url: returnUrl }, redirect: "if_required" });
    const status = error?.payment_intent?.status;
    if (!error || status === "succeeded" || status === "processing") return null; // possibly paid in another tab
    if (error.type === "validation_error") return { code: error.type };
    return error.type === "card_error" ? { code: error.decline_code ?? error.code ?? "card_declined" } : {};
  };
  return { box, loaded, state, retry: () => setAttempt((count) => count + 1), pay };
}

/** Where the element appears. */
export function PaymentForm({ element }: { element: ReturnType<typeof usePaymentElement> }) {
  const { t } = useTexts();
  return (
    <>
      {element.state === "loading" && <Skeleton lines={4} />}
      <div ref={element.box} class="payment-element" hidden={element.state === "failed"} />
      {element.state === "failed" && (
        <div class="notice notice-bad" role="alert">
          <p>{t.checkout.formMissing}</p>
          <button type="button" class="button button-quiet" onClick={element.retry}>
            {t.retry}
          </button>
        </div>
      )}
    </>
  );
}

/** The frame is a separate page, so it needs the colors of the page around it. */
function appearance(box: HTMLElement) {
  const { color, backgroundColor } = getComputedStyle(box);
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  return { theme: isDark ? ("night" as const) : ("stripe" as const), variables: { colorText: color, colorBackground: backgroundColor, borderRadius: "10px" } };
}
