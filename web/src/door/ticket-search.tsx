/** Input for codes, typed by a person or a handheld scanner, and search for people by name or number. */

import { useState } from "preact/hooks";
import { now } from "../server-time";
import { checkinsOn, people, present, readScan, search, timesAt, type Listed } from "./admission";
import type { Door, DoorView } from "./door";
import { useDoorTexts } from "./texts";

const MAX_FOUND = 12;

export function TicketSearch({ door, view }: { door: Door; view: DoorView }) {
  const { d } = useDoorTexts();
  const [text, setText] = useState("");
  const isCode = readScan(text).ticketId !== null;
  const found = isCode ? [] : search(view.tickets.values(), text, MAX_FOUND);
  const submit = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    if (!text.trim()) return;
    setText("");
    void door.scan(text);
  };
  const letIn = (id: string) => {
    setText("");
    void door.admit(id, 1);
  };
  return (
    <section class="door-search">
      <form class="field" role="search" onSubmit={submit}>
        <label for="door-search">{d.search.label}</label>
        <div class="field-row">
          <input
            id="door-search"
            type="search"
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            maxLength={500}
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
          <button type="submit" class="button">
            {d.search.check}
          </button>
        </div>
      </form>
      {text.trim() !== "" && !isCode && found.length === 0 && (
        <p class="small" role="status">
          {d.search.none}
        </p>
      )}
      {found.length > 0 && (
        <ul class="door-rows">
          {found.map((listed) => (
            <Found key={listed.guest?.id ?? listed.ticket.id} listed={listed} view={view} letIn={letIn} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Found({ listed: { ticket, guest }, view, letIn }: { listed: Listed; view: DoorView; letIn: (id: string) => void }) {
  const { d } = useDoorTexts();
  const checkins = present(checkinsOn(timesAt(view.setup.event, ticket, now()).id, ticket, view.uncounted));
  const [admits, admitted] = guest ? [1, checkins.some(({ seat }) => seat === guest.seat) ? 1 : 0] : [ticket.admits, people(checkins)];
  const isOut = view.direction === "out";
  const maySubmit = isOut ? admitted > 0 : ticket.state === "valid" && admitted < admits;
  const who = (guest ? guest.name : ticket.attendee_name) ?? (guest ?? ticket).number ?? "";
  const host = guest && (ticket.attendee_name ?? ticket.number);
  const isVoid = ticket.state === "void";
  const states = isVoid ? d.outcomes[ticket.void_reason === "refunded" ? "ticket_refunded" : "ticket_void"]! : d.outcomes.ticket_frozen!;
  const state = ticket.state === "valid" ? (admitted > 0 ? d.search.in(admitted, admits) : d.search.out(admits)) : states[0];
  return (
    <li>
      <div>
        <p class="door-who">{who}</p>
        <p class="small">{[ticket.tier_name, (guest ?? ticket).number, host && d.search.guestLabel(host), state].filter(Boolean).join(" · ")}</p>
      </div>
      {maySubmit && (
        <button type="button" class="button button-quiet" aria-label={(isOut ? d.exits.letOut : d.search.letIn)(who)} onClick={() => letIn(guest?.id ?? ticket.id)}>
          {isOut ? d.exits.letOutShort : d.search.letInShort}
        </button>
      )}
    </li>
  );
}
