/** The pages that mail links, and the pages behind those links: confirm an address, choose a new password, find lost tickets. */

import { useState } from "preact/hooks";
import { ApiFailure, mailReset, mailTickets, mailVerification, openTickets, resetPassword, verifyEmail, type FoundTickets, type Resale, type ReturnReason, type TicketReturn } from "../api";
import { money } from "../formats";
import { Failure, Outcome } from "../parts/failure";
import { EmailField, Form, PasswordField } from "../parts/form";
import { takeFocus, useKept, useTitle } from "../parts/hooks";
import { OwnData } from "../parts/own-data";
import { Pass } from "../parts/pass";
import { ResalePanel, ReturnPanel, ReturnRequests, useReturnTexts } from "../parts/return-panel";
import { ScanView } from "../parts/scan-view";
import { changeFoundResale, returnFoundTickets, withdrawFoundReturn } from "../returns";
import { useBuyer } from "../session";
import { useTexts } from "../texts";
import { isOver, isUsable } from "../use-wallet";

/**
 * Needs a click, because mail scanners open links and must not use this one up. Without a token, it offers to send a new link. Asks for the
 * password once the API has accepted the link.
 */
export function VerifyEmail() {
  const { t } = useTexts();
  const [isDone, setDone] = useState(false);
  const [needsPassword, setNeedsPassword] = useState(false);
  const hasAccount = useBuyer().buyer?.kind === "account";
  const link = useLink();
  useTitle(t.account.verify);
  const submit = ({ current_password }: Record<string, string>) =>
    link.follow(async () => {
      try {
        await verifyEmail(token(), current_password);
      } catch (error) {
        if (needsPassword || !(error instanceof ApiFailure) || error.code !== "wrong_password") throw error;
        setNeedsPassword(true);
        return;
      }
      setDone(true);
    });
  return (
    <div class="page page-narrow">
      <h1>{t.account.verify}</h1>
      {isDone ? (
        <Done title={t.account.verified} hasAccount={hasAccount} />
      ) : link.isNeeded ? (
        <MailLink link={link} text={t.account.verifyAgain} mail={mailVerification} sentText={t.register.mailedText} />
      ) : (
        <>
          <Form onSubmit={submit} button={t.account.confirm}>
            {(errorOf) =>
              needsPassword ? (
                <>
                  <p>{t.account.verifyPassword}</p>
                  <PasswordField name="current_password" label={t.form.password} error={errorOf("current_password")} />
                </>
              ) : (
                <p>{t.account.verifyText}</p>
              )
            }
          </Form>
          {needsPassword && (
            <p>
              <a href="/forgot-password">{t.account.verifyNoPassword}</a>
            </p>
          )}
          <NewLink link={link} />
        </>
      )}
    </div>
  );
}

type FoundRequest = FoundTickets["return_requests"][number];

/** Needs a click for the same reason. Shows the tickets without storing them, because the browser may be somebody else's. */
export function FindTickets() {
  const { t, locale } = useTexts();
  const returns = useReturnTexts();
  const [found, setFound] = useState<FoundTickets | null>(null);
  const [isErased, setErased] = useState(false);
  const [returned, setReturned] = useState<TicketReturn | null>(null);
  const [scanned, setScanned] = useState<string | null>(null);
  const link = useLink();
  useTitle(t.find.title);
  const tickets = found?.tickets.filter(({ ticket }) => !isOver(ticket)) ?? [];
  const usable = tickets.filter(({ ticket, qr_svg }) => qr_svg && isUsable(ticket));
  const codes = Object.fromEntries(usable.map(({ ticket, qr_svg }) => [ticket.code, qr_svg]));
  const submit = () => link.follow(async () => setFound(await openTickets(token())));
  const requestsOfOthers = (orderId: string) => found!.return_requests.filter(({ order_id }) => order_id !== orderId);
  const giveBack = async (offer: TicketReturn, reason?: ReturnReason) => {
    const { return_requests } = await returnFoundTickets(found!.data_token ?? token(), offer.order_id, reason);
    setFound({
      ...found!,
      return_requests: [...requestsOfOthers(offer.order_id), ...return_requests.map((request) => ({ ...request, order_id: offer.order_id }))],
      tickets: found!.tickets.filter(({ ticket }) => offer.needs_approval || !offer.tickets.includes(ticket.id)),
      returnable: found!.returnable.filter((other) => other !== offer),
    });
    setReturned(offer);
  };
  const withdraw = async ({ order_id, number }: FoundRequest) => {
    await withdrawFoundReturn(found!.data_token ?? token(), order_id, number);
    setFound({ ...found!, return_requests: found!.return_requests.filter((other) => other.order_id !== order_id || other.number !== number) });
    setReturned(null);
  };
  const change = async (resale: Resale, tickets: string[], listed: boolean) => {
    const changed = await changeFoundResale(found!.data_token ?? token(), resale.order_id, tickets, listed);
    setFound({ ...found!, resale: found!.resale.flatMap((other) => (other === resale ? (changed.resale ?? []) : other)) });
  };
  const isOfOrder = token().includes("."); // the link in the email with the tickets, which works any number of times
  const text = isOfOrder ? t.find.order : t.find.once;
  return (
    <div class="page page-narrow">
      <h1 tabIndex={-1} ref={found ? takeFocus : null}>
        {t.find.title}
      </h1>
      {found ? (
        <>
          {(tickets.length > 0 || !returned) && (
            <Outcome tone="calm" title={t.orders.tickets(tickets.length)}>
              <p>{!tickets.length ? t.find.none : isErased ? t.ownData.eraseFound : text}</p>
            </Outcome>
          )}
          {returned && (
            <Outcome tone="good" title={returned.needs_approval ? returns.askedTitle : returns.doneTitle}>
              <p>{returned.needs_approval ? returns.askMeaning : returns.doneText(money(returned.amount_cents, returned.currency, locale))}</p>
            </Outcome>
          )}
          <ReturnRequests requests={found.return_requests} onWithdraw={withdraw} />
          {found.returnable.map((offer) => (
            <ReturnPanel key={offer.order_id} offer={offer} onReturn={(reason) => giveBack(offer, reason)} />
          ))}
          {found.resale.map((resale) => (
            <ResalePanel key={resale.order_id} resale={resale} onChange={(ids, listed) => change(resale, ids, listed)} />
          ))}
          <ul class="passes">
            {tickets.map(({ ticket, qr_svg }) => (
              <Pass key={ticket.id} ticket={ticket} picture={qr_svg} onScan={qr_svg ? () => setScanned(ticket.id) : undefined} />
            ))}
          </ul>
          <ScanView tickets={usable.map(({ ticket }) => ticket)} codes={codes} shown={scanned} show={setScanned} asOf={null} />
          {isErased ? (
            <Outcome tone="good" title={t.ownData.erased}>
              <p>{t.ownData.erasedText}</p>
            </Outcome>
          ) : (
            found.data_token && <OwnData hasAccount={false} token={found.data_token} onErased={() => setErased(true)} />
          )}
        </>
      ) : link.isNeeded ? (
        <MailLink link={link} text={t.find.text} mail={mailTickets} sentText={t.account.sentText} />
      ) : (
        <>
          <Form onSubmit={submit} button={t.find.title}>
            {() => <p>{text}</p>}
          </Form>
          <NewLink link={link} />
        </>
      )}
    </div>
  );
}

export function ForgotPassword() {
  const { t } = useTexts();
  useTitle(t.account.forgot);
  return (
    <div class="page page-narrow">
      <h1>{t.account.forgot}</h1>
      <MailLink text={t.account.forgotText} mail={mailReset} sentText={t.account.sentText} />
    </div>
  );
}

/** The link that the visitor has opened. A new one is needed if it has no token, if the API says that it is no longer valid, or if the visitor wants one. */
function useLink() {
  const [isNeeded, setNeeded] = useState(token() === "");
  const [dead, setDead] = useState<ApiFailure | null>(null);
  const follow = async (action: () => Promise<void>) => {
    try {
      await action();
    } catch (error) {
      if (!(error instanceof ApiFailure) || error.code !== "link_expired") throw error;
      setDead(error);
      setNeeded(true);
    }
  };
  return { isNeeded, dead, follow, ask: () => setNeeded(true) };
}

type Link = ReturnType<typeof useLink>;

function NewLink({ link }: { link: Link }) {
  const { t } = useTexts();
  return (
    <button type="button" class="link" onClick={link.ask}>
      {t.account.newLink}
    </button>
  );
}

interface MailLinkProps {
  /** The link that has to be replaced, if the visitor has one. */
  link?: Link;
  text: string;
  /** Sends the link to an address. */
  mail: (email: string) => Promise<unknown>;
  sentText: (email: string) => string;
}

function MailLink({ link, text, mail, sentText }: MailLinkProps) {
  const { t } = useTexts();
  const [email, setEmail] = useKept("fairgate.email", "");
  const [isSent, setSent] = useState(false);
  const submit = async () => {
    await mail(email.trim());
    setSent(true);
  };
  if (isSent) {
    return (
      <Outcome tone="good" title={t.account.mailSent}>
        <p>{sentText(email.trim())}</p>
        <button type="button" class="link" onClick={() => setSent(false)}>
          {t.account.newLink}
        </button>
      </Outcome>
    );
  }
  return (
    <>
      {link?.dead && (
        <div tabIndex={-1} ref={takeFocus}>
          <Failure failure={link.dead} />
        </div>
      )}
      <p class="lead">{text}</p>
      <Form onSubmit={submit} button={t.account.sendLink}>
        {(errorOf) => <EmailField value={email} onValue={setEmail} error={errorOf("email")} />}
      </Form>
    </>
  );
}

export function ResetPassword() {
  const { t } = useTexts();
  const [isDone, setDone] = useState(false);
  const link = useLink();
  useTitle(t.account.reset);
  const submit = ({ password }: Record<string, string>) =>
    link.follow(async () => {
      await resetPassword(token(), password!);
      setDone(true);
    });
  return (
    <div class="page page-narrow">
      <h1>{t.account.reset}</h1>
      {isDone ? (
        <Done title={t.account.wasReset} />
      ) : link.isNeeded ? (
        <MailLink link={link} text={t.account.forgotText} mail={mailReset} sentText={t.account.sentText} />
      ) : (
        <>
          <Form onSubmit={submit} button={t.account.setPassword}>
            {(errorOf) => <PasswordField label={t.form.newPassword} isNew error={errorOf("password")} />}
          </Form>
          <NewLink link={link} />
        </>
      )}
    </div>
  );
}

function Done({ title, hasAccount = false }: { title: string; hasAccount?: boolean }) {
  const { t } = useTexts();
  return (
    <Outcome tone="good" title={title}>
      <a class="button" href={hasAccount ? "/account" : "/sign-in"}>
        {hasAccount ? t.nav.account : t.signIn.title}
      </a>
    </Outcome>
  );
}

/** The token in the fragment of the link, which no server logs. */
function token(): string {
  return new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
}
