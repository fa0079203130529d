/** Entry of the shop: its pages by address. The local server and CDNs serve index.html for each of them (docs/web.md). */

import { ErrorBoundary, lazy, LocationProvider, Route, Router } from "preact-iso";
import { Checkout } from "./pages/checkout";
import { EventPage } from "./pages/event";
import { NotFound } from "./pages/not-found";
import { Storefront } from "./pages/storefront";
import { Wallet } from "./pages/wallet";
import { WaitingRoom } from "./pages/line";
import { SHOP } from "./parts/entries";
import { Layout } from "./parts/layout";
import { LoadFailed } from "./parts/load-failed";
import { start } from "./texts";

// The pages that most buyers never open are two files, each loaded with the first of its pages.
type AccountPages = typeof import("./pages/account-pages");
const accountPage = (name: keyof AccountPages) => lazy(() => import("./pages/account-pages").then((pages) => pages[name], () => LoadFailed));
const AccountPage = accountPage("AccountPage");
const FindTickets = accountPage("FindTickets");
const ForgotPassword = accountPage("ForgotPassword");
const Guest = accountPage("Guest");
const OrderPage = accountPage("OrderPage");
const LegalPage = accountPage("LegalPage");
const Orders = accountPage("Orders");
const Register = accountPage("Register");
const ResetPassword = accountPage("ResetPassword");
const SignIn = accountPage("SignIn");
const Transfer = accountPage("Transfer");
const VerifyEmail = accountPage("VerifyEmail");
const DrawPage = lazy(() => import("./pages/draw").then((pages) => pages.DrawPage, () => LoadFailed));
const CardPage = lazy(() => import("./pages/card").then((pages) => pages.CardPage, () => LoadFailed));

function App() {
  return (
    <LocationProvider scope={SHOP}>
      <Layout>
        <ErrorBoundary>
          <Router onRouteChange={() => scrollTo(0, 0)}>
            <Route path="/" component={Storefront} />
            <Route path="/events/:eventId" component={EventPage} />
            <Route path="/events/:eventId/line" component={WaitingRoom} />
            <Route path="/events/:eventId/card" component={CardPage} />
            <Route path="/events/:eventId/draw" component={DrawPage} />
            <Route path="/events/:eventId/checkout" component={Checkout} />
            <Route path="/tickets" component={Wallet} />
            <Route path="/transfer" component={Transfer} />
            <Route path="/guest" component={Guest} />
            <Route path="/find-tickets" component={FindTickets} />
            <Route path="/legal/:textId?" component={LegalPage} />
            <Route path="/sign-in" component={SignIn} />
            <Route path="/register" component={Register} />
            <Route path="/forgot-password" component={ForgotPassword} />
            <Route path="/account" component={AccountPage} />
            {ADDONS.reports ? <Route path="/orders" component={Orders} /> : []}
            <Route path="/orders/:orderId" component={OrderPage} />
            <Route path="/verify-email" component={VerifyEmail} />
            <Route path="/reset-password" component={ResetPassword} />
            <Route default component={NotFound} />
          </Router>
        </ErrorBoundary>
      </Layout>
    </LocationProvider>
  );
}

void start(<App />);
