/** What the owner of a ticket can do with it. The pages that show tickets load it as one file. */

import type { Ticket } from "../api";
import { SeatsPanel } from "./seats-panel";
import { TransferPanel } from "./transfer-panel";
import { WalletPanel } from "./wallet-panel";

export function TicketPanels({ ticket, onChanged }: { ticket: Ticket; onChanged: () => Promise<void> }) {
  return (
    <>
      {ticket.admits > 1 && <SeatsPanel ticket={ticket} />}
      {!ticket.used && ticket.transferable && <TransferPanel ticket={ticket} onChanged={onChanged} />}
      {ADDONS.wallets && <WalletPanel ticket={ticket} />}
    </>
  );
}
