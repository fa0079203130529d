"""A stand-in for Stripe.js, which only Stripe serves: the calls that the pages make, with a field for a test payment method.

It comes from the address of the real one, so the page's policy applies to it, and its calls of api.stripe.com go to the fake Stripe. What
it cannot show is whether the real frame is drawn and accepts cards; that takes a test key and a network (docs/payments.md).
"""

from playwright.sync_api import Page, Route

from devtools.stripe.fake import FakeStripe

STAND_IN = """
const CARD = { en: "Card", es: "Tarjeta" };
window.Stripe = (key, options) => ({
  elements: ({ clientSecret, locale, appearance, allowedPaymentMethodTypes: cardTypes }) => {
    const listeners = {};
    let box = null;
    const update = (changed) => (box.querySelector("span").textContent = CARD[changed.locale]);
    const element = {
      on: (name, listener) => (listeners[name] = listener),
      mount: (target) => {
        box = target;
        box.innerHTML = '<label class="field"><span></span> <input type="text" name="card"></label>';
        update({ locale });
        listeners.ready();
      },
      destroy: () => box.replaceChildren(),
    };
    const create = (kind, { paymentMethodOrder, wallets }) => {
      Object.assign(window, { paymentMethodOrder, wallets, cardTypes });
      return element;
    };
    const submit = async () => (document.querySelector("[name=card]").value ? {} : { error: { type: "validation_error" } });
    return { clientSecret, update, create, submit, getElement: () => element };
  },
  createPaymentMethod: async () => ({ paymentMethod: { id: document.querySelector("[name=card]").value } }),
  handleNextAction: async ({ clientSecret }) => {
    // The bank asks in a frame of its own; the owner agrees.
    const body = new URLSearchParams({ outcome: "complete" });
    await fetch(`https://api.stripe.com/3d_secure/${clientSecret}`, { method: "POST", mode: "no-cors", body });
    return {};
  },
  confirmPayment: async ({ elements: { clientSecret }, confirmParams }) => {
    const body = new URLSearchParams({
      client_secret: clientSecret,
      payment_method: document.querySelector("[name=card]").value,
      return_url: confirmParams.return_url,
    });
    const intent = clientSecret.split("_secret_")[0];
    const headers = { Authorization: `Bearer ${key}`, "Stripe-Version": "VERSION" };
    const response = await fetch(`https://api.stripe.com/v1/payment_intents/${intent}/confirm`, { method: "POST", headers, body });
    const answer = await response.json();
    if (answer.error) return { error: answer.error };
    if (answer.status === "requires_action") {
      location.assign(answer.next_action.redirect_to_url.url);
      return new Promise(() => {});
    }
    return { paymentIntent: answer };
  },
});
window.Stripe.version = "endive";
"""


def serve(page: Page, fake: FakeStripe) -> list[str]:
    """Serve it to all tabs of this buyer. Returns the list of what they ask of Stripe from now on."""
    asked: list[str] = []

    def send_script(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(content_type="text/javascript", body=STAND_IN.replace("VERSION", fake.api_version))

    def send_to_fake(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(response=route.fetch(url=route.request.url.replace("https://api.stripe.com", fake.url)))

    page.context.route("https://js.stripe.com/**", send_script)
    page.context.route("https://api.stripe.com/**", send_to_fake)
    return asked
