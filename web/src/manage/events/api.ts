/** API calls that change events. */

import { content, type Schemas } from "../../client";
import { ifVersion, manager, withKey, type ManagedEvent } from "../api";

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
export const cancelEvent = (event_id: string) => content(manager.POST("/events/{event_id}/cancel", { params: eventPath(event_id) }));
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

/** Requires all fields, so that a new field is a type error until the copy names it. `undefined` means that copies start without it. */
type Copied<T> = { [field in keyof Required<T>]: T[field] };

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
        body: copiedTier(tier),
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

const copiedEvent = (event: ManagedEvent, name: string): Copied<Schemas["EventFields"]> => ({
  name,
  venue: event.venue,
  address: event.address,
  city: event.city,
  category: event.category,
  description: event.description,
  timezone: event.timezone,
  waiting_room: event.waiting_room,
  waitlist: event.waitlist,
  purchase_limit: event.purchase_limit,
  hold_seconds: event.hold_seconds,
  capacity: event.capacity,
  starts_at: undefined,
  ends_at: undefined,
  on_sale_at: undefined,
  guests_until: undefined,
  image_url: undefined,
  metadata: undefined,
  promoter_id: undefined,
  version: undefined,
});

const copiedTier = (tier: ManagedEvent["tiers"][number]): Copied<Schemas["TierFields"]> => ({
  name: tier.name,
  description: tier.description,
  price_cents: tier.price_cents,
  currency: tier.currency,
  capacity: tier.capacity,
  max_per_order: tier.max_per_order,
  admits: tier.admits,
  hidden: tier.hidden,
  is_sponsorship: tier.is_sponsorship,
  low_stock_at: tier.low_stock_at,
  per_user_limit: undefined, // a tier shows the effective limit, which may come from the stage's settings
  position: undefined,
  on_sale: undefined,
  sale_starts_at: undefined,
  sale_ends_at: undefined,
  image_url: undefined,
  metadata: undefined,
  version: undefined,
});
