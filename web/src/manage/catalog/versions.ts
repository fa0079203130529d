/** The calls about the catalog and the versions of its file. */

import { anybody, content, type Schemas } from "../../client";
import { manager } from "../api";

export type Plan = Schemas["CatalogPlanView"];
export type PlannedChange = Schemas["PlannedChangeView"];
export type PlanRefusal = Schemas["PlanRefusalView"];
export type Version = Schemas["VersionView"];
export type LogEntry = Schemas["AuditEntryView"];

export const getCatalog = () => content(anybody.GET("/catalog", {}));
export const listVersions = (cursor?: string) => content(manager.GET("/admin/catalog/versions", { params: { query: { limit: 20, cursor } } }));
/** What the version would change now; of the one that is served, where the shop differs from it. */
export const getPlan = (version: number): Promise<Plan> =>
  content(manager.GET("/admin/catalog/versions/{version}/plan", { params: { path: { version: String(version) } } }));
/** Refused if the plan is no longer the one that was seen. */
export const applyVersion = ({ version, plan }: Plan) =>
  content(manager.POST("/admin/catalog/versions/{version}/apply", { params: { path: { version: String(version) } }, body: { plan } }));
export const loadAgain = () => content(manager.POST("/admin/catalog/invalidate", {}));
/** What was done to the catalog, the newest first. */
export const listLog = async (): Promise<LogEntry[]> =>
  ((await content(manager.GET("/admin/audit", { params: { query: { subject: "catalog", limit: 50 } } }))) as Schemas["AuditLogView"]).entries; // not as CSV
