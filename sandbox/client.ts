/** A merchant's or clerk's program as the sandbox plays it. */
import { createClient as createApiClient } from "../clients/typescript/index.ts";

export type Reply = { status: number; body: Record<string, unknown> };
export type Call = (
  method: string,
  path: string,
  options?: { body?: unknown; mediaType?: string; token?: string; wait?: number },
) => Promise<Reply>;

const PATIENCE_SECONDS = 20;
const TRIES = 10;

/** Requests against one gateway, until `signal` says stop; a refusal is an answer. */
export function createClient(url: string, signal?: AbortSignal): Call {
  const { send } = createApiClient({ url, signal, patience: { tries: TRIES } });
  return async (method, path, { body, mediaType, token, wait = PATIENCE_SECONDS } = {}) => {
    const type = mediaType === undefined ? {} : { type: mediaType };
    const reply = await send(method, path, { body, ...type, token, wait });
    return { status: reply.status, body: (reply.body ?? {}) as Record<string, unknown> };
  };
}

/** The answer's body; throws with the problem's own words when it is none of success. */
export async function expectSuccess(
  reply: Promise<Reply>,
  what: string,
): Promise<Record<string, unknown>> {
  const { status, body } = await reply;
  if (status < 300) return body;
  throw new Error(
    `${what}: ${status} ${String(body["code"] ?? "")} ${String(body["detail"] ?? "")}`,
  );
}
