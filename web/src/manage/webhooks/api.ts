/** The calls about a promoter's webhooks. */

import { content, type Schemas } from "../../client";
import { ifVersion, manager, withKey } from "../api";

export type Endpoint = Schemas["EndpointView"];
export type Delivery = Schemas["DeliveryView"];
export type NewEndpoint = Schemas["NewEndpoint"];

const ofEndpoint = ({ promoter_id, id: endpoint_id }: Endpoint) => ({ promoter_id, endpoint_id });

export const listEndpoints = async (promoter_id: string) =>
  (await content(manager.GET("/promoters/{promoter_id}/webhook-endpoints", { params: { path: { promoter_id } } }))).webhook_endpoints;
/** The reply has the secret, which no other reply shows. */
export const createEndpoint = (promoter_id: string, endpoint: NewEndpoint, key: string): Promise<Endpoint> =>
  content(
    manager.POST("/promoters/{promoter_id}/webhook-endpoints", { params: { path: { promoter_id }, header: withKey(key) }, body: endpoint }),
  );
export const setEnabled = (endpoint: Endpoint, enabled: boolean): Promise<Endpoint> =>
  content(
    manager.PATCH("/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}", {
      params: { path: ofEndpoint(endpoint) },
      body: { enabled, version: endpoint.version },
    }),
  );
export const deleteEndpoint = (endpoint: Endpoint) =>
  content(
    manager.DELETE("/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}", {
      params: { path: ofEndpoint(endpoint), header: ifVersion(endpoint.version) },
    }),
  );
/** The reply has the new secret; the one before is good for another day. */
export const rotateSecret = (endpoint: Endpoint): Promise<Endpoint> =>
  content(
    manager.POST("/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}/rotate-secret", { params: { path: ofEndpoint(endpoint) } }),
  );
export const sendTest = (endpoint: Endpoint): Promise<Delivery> =>
  content(manager.POST("/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}/test", { params: { path: ofEndpoint(endpoint) } }));
/** The newest deliveries. */
export const listDeliveries = async (endpoint: Endpoint) =>
  (
    await content(
      manager.GET("/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}/deliveries", {
        params: { path: ofEndpoint(endpoint), query: { limit: 20 } },
      }),
    )
  ).deliveries;
export const getEndpoint = (promoter_id: string, endpoint_id: string): Promise<Endpoint> =>
  content(manager.GET("/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}", { params: { path: { promoter_id, endpoint_id } } }));
/** Those that failed for good, the newest first, a page at a time. */
export const listFailed = (endpoint: Endpoint, cursor?: string) =>
  content(
    manager.GET("/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}/deliveries", {
      params: { path: ofEndpoint(endpoint), query: { state: "failed", limit: 20, cursor } },
    }),
  );
/** Sends again what failed for good of this time, up to 100; `cursor` goes on behind an earlier call. */
export const replayFailed = (endpoint: Endpoint, range: Schemas["FailedDeliveries"], key: string) =>
  content(
    manager.POST("/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}/replay-failed", {
      params: { path: ofEndpoint(endpoint), header: withKey(key) },
      body: range,
    }),
  );
export const replay = (endpoint: Endpoint, { id: delivery_id }: Delivery): Promise<Delivery> =>
  content(
    manager.POST("/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/replay", {
      params: { path: { ...ofEndpoint(endpoint), delivery_id } },
    }),
  );
