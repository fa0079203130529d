/** API calls for a promoter's webhook endpoints. */

import { content, type Schemas } from "../../client";
import { ifVersion, manager, withKey } from "../api";

export type Endpoint = Schemas["EndpointView"];
export type Delivery = Schemas["DeliveryView"];
export type NewEndpoint = Schemas["NewEndpoint"];

const endpointPath = ({ promoter_id, id: endpoint_id }: Endpoint) => ({ promoter_id, endpoint_id });

export const listEndpoints = async (promoter_id: string) =>
  (await content(manager.GET("/promoters/{promoter_id}/webhook-endpoints", { params: { path: { promoter_id } } }))).webhook_endpoints;
/** Create an endpoint. Only this reply contains its secret. */
export const createEndpoint = (promoter_id: string, endpoint: NewEndpoint, key: string): Promise<Endpoint> =>
  content(
    manager.POST("/promoters/{promoter_id}/webhook-endpoints", { params: { path: { promoter_id }, header: withKey(key) }, body: endpoint }),
  );
export const setEnabled = (endpoint: Endpoint, enabled: boolean): Promise<Endpoint> =>
  content(
    manager.PATCH("/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}", {
      params: { path: endpointPath(endpoint) },
      body: { enabled, version: endpoint.version },
    }),
  );
export const deleteEndpoint = (endpoint: Endpoint) =>
  content(
    manager.DELETE("/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}", {
      params: { path: endpointPath(endpoint), header: ifVersion(endpoint.version) },
    }),
  );
/** Create a new secret, which the reply contains. The old secret stays valid for a day. */
export const rotateSecret = (endpoint: Endpoint): Promise<Endpoint> =>
  content(
    manager.POST("/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}/rotate-secret", { params: { path: endpointPath(endpoint) } }),
  );
export const sendTest = (endpoint: Endpoint): Promise<Delivery> =>
  content(manager.POST("/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}/test", { params: { path: endpointPath(endpoint) } }));
/** List the newest deliveries. */
export const listDeliveries = async (endpoint: Endpoint) =>
  (
    await content(
      manager.GET("/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}/deliveries", {
        params: { path: endpointPath(endpoint), query: { limit: 20 } },
      }),
    )
  ).deliveries;
export const getEndpoint = (promoter_id: string, endpoint_id: string): Promise<Endpoint> =>
  content(manager.GET("/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}", { params: { path: { promoter_id, endpoint_id } } }));
/** List one page of the deliveries that failed for good, newest first. */
export const listFailed = (endpoint: Endpoint, cursor?: string) =>
  content(
    manager.GET("/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}/deliveries", {
      params: { path: endpointPath(endpoint), query: { state: "failed", limit: 20, cursor } },
    }),
  );
/** Resend up to 100 deliveries of a period that failed for good. `cursor` continues after an earlier call. */
export const replayFailed = (endpoint: Endpoint, range: Schemas["FailedDeliveries"], key: string) =>
  content(
    manager.POST("/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}/replay-failed", {
      params: { path: endpointPath(endpoint), header: withKey(key) },
      body: range,
    }),
  );
export const replay = (endpoint: Endpoint, { id: delivery_id }: Delivery): Promise<Delivery> =>
  content(
    manager.POST("/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/replay", {
      params: { path: { ...endpointPath(endpoint), delivery_id } },
    }),
  );
