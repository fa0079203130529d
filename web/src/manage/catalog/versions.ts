/** API calls for the catalog and the versions of its file. */

import { publicApi, content, type Schemas } from "../../client";
import { manager } from "../api";

export type Plan = Schemas["CatalogPlanView"];
export type PlannedChange = Schemas["PlannedChangeView"];
export type PlanRefusal = Schemas["PlanRefusalView"];
export type Version = Schemas["VersionView"];
export type LogEntry = Schemas["AuditEntryView"];

export const getCatalog = () => content(publicApi.GET("/catalog", {}));
export const listVersions = (cursor?: string) => content(manager.GET("/admin/catalog/versions", { params: { query: { limit: 20, cursor } } }));
/** Plan what applying a version would change now. For the served version, that is the shop's drift from it. */
export const getPlan = (version: number): Promise<Plan> =>
  content(manager.GET("/admin/catalog/versions/{version}/plan", { params: { path: { version: String(version) } } }));
/** Apply a version. The API refuses if the plan has changed since it was loaded. */
export const applyVersion = ({ version, plan }: Plan) =>
  content(manager.POST("/admin/catalog/versions/{version}/apply", { params: { path: { version: String(version) } }, body: { plan } }));
export const loadAgain = () => content(manager.POST("/admin/catalog/invalidate", {}));
/** List the catalog's audit log, newest first. */
export const listLog = async (): Promise<LogEntry[]> =>
  ((await content(manager.GET("/admin/audit", { params: { query: { subject: "catalog", limit: 50 } } }))) as Schemas["AuditLogView"]).entries; // not as CSV
