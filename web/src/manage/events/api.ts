/** API calls that change events. */

import { content, type Schemas } from "../../client";
import { ifVersion, manager, withKey, type ManagedEvent } from "../api";
import { toFields as tierFields, toValues as tierValues } from "../tickets/tier-values";
import { toFields, toValues } from "./event-values";

export type EventChanges = Schemas["EventChanges"];

const eventPath = (event_id: string) => ({ path: { event_id } });

/** Create a draft. A repeated call with the same key returns the same draft. */
export const createEvent = (fields: Schemas["EventFields"], key: string): Promise<ManagedEvent> =>
  content(manager.POST("/events", { params: { header: withKey(key) }, body: fields }));
/** Change fields of the loaded version. Throws ApiFailure `version_conflict` if the event has a newer version. */
export const changeEvent = (event_id: string, changes: EventChanges): Promise<ManagedEvent> =>
  content(manager.PATCH("/events/{event_id}", { params: eventPath(event_id), body: changes }));
export const publishEvent = (event_id: string): Promise<ManagedEvent> =>
  content(manager.POST("/events/{event_id}/publish", { params: eventPath(event_id) }));
export const unpublishEvent = (event_id: string): Promise<ManagedEvent> =>
  content(manager.POST("/events/{event_id}/unpublish", { params: eventPath(event_id) }));
/** Cancel an event or one of its dates, or show the progress of its refunds. Buyers read the reason in their language. */
export const cancelEvent = (event_id: string, { reason, reasons }: { reason?: string; reasons?: Record<string, string> } = {}, date_id?: string) =>
  content(manager.POST("/events/{event_id}/cancel", { params: eventPath(event_id), body: { ...(reason && { reason }), ...(reasons && { reasons }), ...(date_id && { date_id }) } }));
/** Add repeating dates by a rule (RFC 5545). */
export const addDates = (event_id: string, body: Schemas["DateRule"]): Promise<ManagedEvent> =>
  content(manager.POST("/admin/events/{event_id}/dates", { params: eventPath(event_id), body }));
/** What the gate of another shop needs to check passes. */
export const getVerifier = (event_id: string) => content(manager.GET("/admin/events/{event_id}/waiting-room/verifier", { params: eventPath(event_id) }));
export type TicketHolders = Schemas["TicketHoldersView"];
/** Count the people whom a change to the event reaches, and what the cancellation of the event, or of one of its dates, would refund. */
export const countTicketHolders = (event_id: string, date_id?: string): Promise<TicketHolders> =>
  content(manager.GET("/admin/events/{event_id}/ticket-holders", { params: { ...eventPath(event_id), query: { date_id } } }));
export const deleteEvent = ({ id, version }: ManagedEvent) =>
  content(manager.DELETE("/events/{event_id}", { params: { ...eventPath(id), header: ifVersion(version) } }));

export const uploadEventImage = (event_id: string, file: File): Promise<ManagedEvent> =>
  content(
    manager.POST("/events/{event_id}/image", { params: eventPath(event_id), body: { image: "" }, bodySerializer: () => toFormData(file) }),
  );
export const removeEventImage = (event_id: string): Promise<ManagedEvent> =>
  content(manager.DELETE("/events/{event_id}/image", { params: eventPath(event_id) }));

/** Wrap an image file as form data. */
export function toFormData(file: File): FormData {
  const form = new FormData();
  form.set("image", file);
  return form;
}

/**
 * Copy an event with its tickets and questions, as a draft without dates, pictures and sales. A repeated call with the same key finishes an
 * interrupted copy.
 */
export async function duplicateEvent(event: ManagedEvent, name: string, key: string): Promise<ManagedEvent> {
  const copy = await createEvent(copiedEvent(event, name), key);
  for (const tier of event.tiers.toSorted((a, b) => a.position - b.position)) {
    const created = await content(
      manager.POST("/events/{event_id}/tiers", {
        params: { ...eventPath(copy.id), header: withKey(`${key}-${tier.id}`.slice(0, 255)) },
        body: copiedTier(tier, event.timezone),
      }),
    );
    if (!ADDONS.packages) continue;
    for (const { id: option_id, label, option_type, is_required, choices, per } of tier.options) {
      await manager.POST("/admin/events/{event_id}/tickets/packages/{package_id}/options", {
        params: { path: { event_id: copy.id, package_id: created.id }, header: withKey(`${key}-${option_id}`.slice(0, 255)) },
        body: { label, option_type, is_required, per, ...(choices && { choices }) },
      });
    }
  }
  return copy;
}

/** What the form of an event has, without times. */
const copiedEvent = (event: ManagedEvent, name: string): Schemas["EventFields"] => ({
  ...toFields({ ...toValues(event), starts_at: "", ends_at: "", on_sale_at: "", refundable_until: "", until: "" }),
  name,
  waitlist: event.waitlist,
});

/** What the form of a ticket type has, without times. */
const copiedTier = (tier: ManagedEvent["tiers"][number], timezone: string): Schemas["TierFields"] =>
  tierFields({ ...tierValues(tier, timezone), sale_starts_at: "", sale_ends_at: "" }, timezone) as Schemas["TierFields"]; // of a valid tier
