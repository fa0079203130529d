/** The typed client of the API: its paths, bodies and replies come from the OpenAPI document (docs/web.md). */

import createClient, { type Middleware } from "openapi-fetch";
import { learnTime } from "./server-time";
import { watchSlowness } from "./slowness";
import type { components, paths } from "#openapi";

export type Schemas = components["schemas"];

/** An error reply, or no reply at all: then `status` is 0 and `code` is `offline`. `details` has the other fields of the reply. */
export class ApiFailure extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    message: string,
    readonly requestId: string | null,
    readonly details: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

export const BASE_PATH = "/api/v1";
const TIMEOUT_MS = 20_000;

const translate: Middleware = {
  async onResponse({ request, response }) {
    learnTime(request.url, response);
    if (response.ok) return;
    const { error, message, request_id: requestId, ...details } = await response.json().catch(() => ({}));
    throw new ApiFailure(error ?? "unexpected", response.status, message ?? "", requestId ?? response.headers.get("X-Request-Id"), details);
  },
  onError({ error }) {
    throw error instanceof ApiFailure ? error : new ApiFailure("offline", 0, "", null);
  },
};

export function createApi(send: (request: Request) => Promise<Response>) {
  const api = createClient<paths>({ baseUrl: BASE_PATH, fetch: send });
  api.use(translate);
  return api;
}

/** Fetch the complete reply, once. A connection lost in the middle of the body also counts as no reply. The forms decide what to repeat. */
export function fetchWithTimeout(request: Request): Promise<Response> {
  return watchSlowness(fetchWhole(request));
}

async function fetchWhole(request: Request): Promise<Response> {
  const response = await fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(TIMEOUT_MS)]) });
  return response.body ? new Response(await response.arrayBuffer(), response) : response;
}

/** Sends requests without an identity: for public data, so that caches may reply, and for signing in. */
export const publicApi = createApi(fetchWithTimeout);

/** The content of a successful reply. Error replies have already become an ApiFailure. */
export async function content<T>(answer: Promise<{ data?: T }>): Promise<NonNullable<T>> {
  return (await answer).data!;
}
