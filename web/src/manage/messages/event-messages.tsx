/** Emails about an event, newest first. */

import { UnreachedPeople } from "../events/ticket-holders";
import { usePages } from "../parts/use-pages";
import { useRoomTexts } from "../texts";
import { useManagedEvent, useMay } from "../who";
import { Announcements } from "./announcements";
import { MessageList } from "./message-list";
import { listEventMessages } from "./messages";

export function EventMessages() {
  const own = useRoomTexts("messages");
  const { event } = useManagedEvent();
  const may = useMay();
  const found = usePages((cursor) => listEventMessages(event.id, cursor), event.id);
  return (
    <div class="page page-narrow">
      <h1>{own.title}</h1>
      <p class="lead">{own.lead}</p>
      <UnreachedPeople />
      {may("announce") && <Announcements />}
      <MessageList found={found} noneText={own.noneText} event={event} />
    </div>
  );
}
