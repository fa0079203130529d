/** API calls for tickets, packages and their questions. A package is a tier under another name. */

import { content, type Schemas } from "../../client";
import { ifVersion, manager, withKey } from "../api";
import { toFormData } from "../events/api";

export type Tier = Schemas["AdminTierView"];
export type TierFields = Schemas["TierFields"];
export type Holdback = Schemas["Holdback"];
export type IssuedRow = Schemas["IssuedRow"];
export type NewOption = Schemas["NewOption"];
/** The fields of a question, to create or to change it. */
export type OptionFields = NewOption & Schemas["OptionChanges"];
export type Option = Schemas["CustomOption"];

const packagePath = (tier: Tier) => ({ path: { event_id: tier.event_id, package_id: tier.id } });

export const createTier = (event_id: string, fields: TierFields, key: string): Promise<Tier> =>
  content(manager.POST("/events/{event_id}/tiers", { params: { path: { event_id }, header: withKey(key) }, body: fields }));
/** Change fields of the loaded version. Throws ApiFailure `version_conflict` if the tier has a newer version. */
export const changeTier = (tier_id: string, changes: Schemas["TierChanges"]): Promise<Tier> =>
  content(manager.PATCH("/tiers/{tier_id}", { params: { path: { tier_id } }, body: changes }));
/** Issue complimentary tickets from a holdback. Repeated rows issue nothing more. */
export const issueComplimentary = (event_id: string, body: Schemas["ComplimentaryBody"]) =>
  content(manager.POST("/events/{event_id}/complimentary-orders", { params: { path: { event_id } }, body }));
export const deleteTier = (tier: Tier) =>
  content(manager.DELETE("/tiers/{tier_id}", { params: { path: { tier_id: tier.id }, header: ifVersion(tier.version) } }));
/** Copy a ticket type with its questions; the copy is not on sale. A repeated call with the same key returns the same copy. */
export const duplicateTier = (tier: Tier, key: string) =>
  content(
    manager.POST("/admin/events/{event_id}/tickets/packages/{package_id}/duplicate", { params: { ...packagePath(tier), header: withKey(key) } }),
  );
/** Reorder all tickets of an event. Throws ApiFailure `stale_order` if the order has changed since it was loaded. */
export const orderTiers = (event_id: string, package_ids: string[], seen_package_ids: string[]) =>
  content(
    manager.POST("/admin/events/{event_id}/tickets/packages/reorder", { params: { path: { event_id } }, body: { package_ids, seen_package_ids } }),
  );

export const createOption = (tier: Tier, option: NewOption, key: string): Promise<Option> =>
  content(
    manager.POST("/admin/events/{event_id}/tickets/packages/{package_id}/options", {
      params: { ...packagePath(tier), header: withKey(key) },
      body: option,
    }),
  );
export const deleteOption = (tier: Tier, option_id: string) =>
  content(
    manager.DELETE("/admin/events/{event_id}/tickets/packages/{package_id}/options/{option_id}", {
      params: { path: { ...packagePath(tier).path, option_id } },
    }),
  );
export const changeOption = (tier: Tier, option_id: string, changes: Schemas["OptionChanges"]): Promise<Option> =>
  content(
    manager.PATCH("/admin/events/{event_id}/tickets/packages/{package_id}/options/{option_id}", {
      params: { path: { ...packagePath(tier).path, option_id } },
      body: changes,
    }),
  );

export const uploadTierImage = (tier: Tier, file: File) =>
  content(
    manager.POST("/admin/events/{event_id}/tickets/packages/{package_id}/image", {
      params: packagePath(tier),
      body: { image: "" },
      bodySerializer: () => toFormData(file),
    }),
  );
export const removeTierImage = (tier: Tier) =>
  content(manager.DELETE("/admin/events/{event_id}/tickets/packages/{package_id}/image", { params: packagePath(tier) }));
