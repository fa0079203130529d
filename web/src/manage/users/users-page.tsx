/** The accounts of the shop: admins search them, lock them, change their roles and end their sessions. */

import { useState } from "preact/hooks";
import { day } from "../../formats";
import { useTexts } from "../../texts";
import { Confirmed } from "../parts/confirmed";
import { PagedList } from "../parts/paged-list";
import { usePages } from "../parts/use-pages";
import { useRoomTexts } from "../texts";
import { useMe } from "../who";
import { AccountChanges } from "./account-changes";
import { FoundOrders, UserOrders } from "./user-orders";
import { changeAccount, endSessions, listAccounts, type Account, type ChangedAccount, type Group } from "./accounts";

export function UsersPage() {
  const own = useRoomTexts("users");
  const [words, setWords] = useState("");
  const [wanted, setWanted] = useState<{ search: string; group: Group }>({ search: "", group: "" });
  const search = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    setWanted({ search: words.trim(), group: "" });
  };
  const show = (group: Group) => {
    setWords("");
    setWanted({ search: "", group });
  };
  return (
    <div class="page">
      <h1>{own.title}</h1>
      <p class="lead">{own.lead}</p>
      <form class="control-fields" role="search" onSubmit={search}>
        <label class="field">
          {own.search}
          <input type="search" value={words} maxLength={254} autocomplete="off" spellcheck={false} onInput={({ currentTarget }) => setWords(currentTarget.value)} />
        </label>
        <button type="submit" class="button button-quiet">
          {own.find}
        </button>
        <label class="field">
          {own.group}
          <select value={wanted.group} onChange={({ currentTarget }) => show(currentTarget.value as Group)}>
            <option value="">{wanted.search ? own.all : own.special}</option>
            <option value="admin">{own.admins}</option>
            <option value="promoter">{own.promoters}</option>
            <option value="locked">{own.locked}</option>
          </select>
        </label>
      </form>
      {ADDONS.reports && wanted.search && <FoundOrders search={wanted.search} />}
      <AccountList key={JSON.stringify(wanted)} {...wanted} />
    </div>
  );
}

function AccountList({ search, group }: { search: string; group: Group }) {
  const own = useRoomTexts("users");
  const found = usePages((cursor) => listAccounts(search, group, cursor), "users");
  const [last, setLast] = useState<{ action: ActionText; email: string; changed?: ChangedAccount }>();
  const done = async (action: ActionText, email: string, changed?: ChangedAccount) => {
    setLast({ action, email, changed });
    await found.reload();
  };
  const { suspended_events: suspended = 0, resumed_events: resumed = 0 } = last?.changed ?? {};
  const status = [last && own[last.action](last.email), suspended > 0 && own.suspended(suspended), resumed > 0 && own.resumed(resumed)];
  return (
    <PagedList found={found} itemsOf={(page) => page.users} status={status.filter(Boolean).join(" ")} empty={{ title: own.none, text: search ? own.noneFound : own.noneText }}>
      {(accounts) => (
        <ul class="cases">
          {accounts.map((account) => (
            <Entry key={account.id} account={account} done={done} />
          ))}
        </ul>
      )}
    </PagedList>
  );
}

/** A finished action, named by the text that reports it. */
type ActionText = "accountLocked" | "accountUnlocked" | "promoterMade" | "promoterRemoved" | "adminRemoved" | "secondFactorRemoved" | "sessionsEnded";

interface EntryProps {
  account: Account;
  /** Report the action and reload the accounts. */
  done: (action: ActionText, email: string, changed?: ChangedAccount) => Promise<void>;
}

function Entry({ account, done }: EntryProps) {
  const own = useRoomTexts("users");
  const { locale } = useTexts();
  const me = useMe();
  const { id, email, roles, locked_at } = account;
  const name = [account.first_name, account.last_name].filter(Boolean).join(" ");
  const facts = [name, account.company, own.since(day(account.created_at, undefined, locale)), !account.email_verified && own.unverified];
  const isPromoter = roles.includes("promoter");
  const change = async (changes: Parameters<typeof changeAccount>[1], action: ActionText) => {
    await done(action, email, await changeAccount(id, changes));
  };
  const withRole = (role: "promoter" | "admin", has: boolean) => [...roles.filter((other) => other !== role), ...(has ? [role] : [])] as ("user" | "promoter" | "admin")[];
  return (
    <li class="panel">
      <h2>{email}</h2>
      <p>
        {roles.filter((role) => role !== "user").map((role) => (
          <span class="status" key={role}>
            {own.roles[role as keyof typeof own.roles]}
          </span>
        ))}{" "}
        {locked_at && <span class="status status-cancelled">{own.lockedSince(day(locked_at, undefined, locale))}</span>}
      </p>
      <p class="small">{facts.filter(Boolean).join(" · ")}</p>
      <p class="small code">{id}</p>
      {id === me.id ? (
        <p class="small">{own.yourself}</p>
      ) : (
        <div class="row">
          <Lock account={account} change={change} />
          <Confirmed
            label={isPromoter ? own.removePromoter : own.makePromoter}
            subject={email}
            confirm={isPromoter ? own.removePromoter : own.makePromoter}
            act={() => change({ roles: withRole("promoter", !isPromoter) }, isPromoter ? "promoterRemoved" : "promoterMade")}
          >
            <p>{isPromoter ? own.removePromoterText : own.makePromoterText}</p>
          </Confirmed>
          {roles.includes("admin") && (
            <Confirmed label={own.removeAdmin} subject={email} confirm={own.removeAdmin} act={() => change({ roles: withRole("admin", false) }, "adminRemoved")}>
              <p>{own.removeAdminText}</p>
            </Confirmed>
          )}
          {account.second_factor && (
            <Confirmed
              label={own.removeSecondFactor}
              subject={email}
              confirm={own.removeSecondFactor}
              act={() => change({ removes_second_factor: true }, "secondFactorRemoved")}
            >
              <p>{own.removeSecondFactorText}</p>
            </Confirmed>
          )}
          <Confirmed label={own.endSessions} subject={email} confirm={own.endSessions} act={async () => void (await endSessions(id), await done("sessionsEnded", email))}>
            <p>{own.endSessionsText}</p>
          </Confirmed>
        </div>
      )}
      {ADDONS.outgoing_webhooks && isPromoter && id !== me.id && (
        <p>
          <a href={`/manage/webhooks/${id}`} aria-label={`${own.webhooks}: ${email}`}>
            {own.webhooks}
          </a>
        </p>
      )}
      {ADDONS.reports && <UserOrders userId={id} />}
      {ADDONS.reports && <AccountChanges key={`${locked_at}${roles.join()}`} userId={id} />}
    </li>
  );
}

interface LockProps {
  account: Account;
  change: (changes: Parameters<typeof changeAccount>[1], action: ActionText) => Promise<void>;
}

/** Locks an account, with a reason for other admins, or unlocks it. */
function Lock({ account: { email, locked_at }, change }: LockProps) {
  const own = useRoomTexts("users");
  const [reason, setReason] = useState("");
  const isLocked = locked_at !== null;
  const label = isLocked ? own.unlock : own.lock;
  const act = () => change({ locked: !isLocked, reason: reason.trim() || undefined }, isLocked ? "accountUnlocked" : "accountLocked");
  return (
    <Confirmed label={label} subject={email} confirm={label} act={act}>
      <p>{isLocked ? own.unlockText : own.lockText}</p>
      <label class="field">
        {own.reason}
        <input type="text" value={reason} maxLength={500} onInput={({ currentTarget }) => setReason(currentTarget.value)} />
      </label>
    </Confirmed>
  );
}
