/** The invoices and credit notes of an order, as files to save. */

import { getInvoice, listInvoices, type Invoice } from "../api";
import { save } from "../downloads";
import { day, money } from "../formats";
import { useTexts } from "../texts";
import { Failure } from "./failure";
import { useAction, useLoaded } from "./hooks";

export function InvoiceList({ orderId }: { orderId: string }) {
  const { t, locale } = useTexts();
  const { value: invoices } = useLoaded(() => listInvoices(orderId), orderId);
  const { isWorking, failure, run } = useAction();
  if (!invoices?.length) return null;
  const download = ({ number }: Invoice) => run(async () => save(await getInvoice(orderId, number), `${number}.pdf`));
  return (
    <section class="panel no-print">
      <h2>{t.orders.invoices}</h2>
      <ul>
        {invoices.map((invoice) => (
          <li key={invoice.number}>
            <button type="button" class="link" disabled={isWorking} onClick={() => download(invoice)}>
              {t.orders.invoiceKinds[invoice.kind]} {invoice.number}
            </button>{" "}
            · {day(invoice.issued_at, undefined, locale)} · <span class="numbers">{money(invoice.total_cents, invoice.currency, locale)}</span>
          </li>
        ))}
      </ul>
      {failure && <Failure failure={failure} />}
    </section>
  );
}
