/** A merchant's or clerk's program as the sandbox plays it: requests over HTTP, again with the same key when told so. */

export type Reply = { status: number; body: Record<string, unknown> };
export type Call = (method: string, path: string, options?: { body?: unknown; mediaType?: string; token?: string; wait?: number }) => Promise<Reply>;

const PATIENCE_SECONDS = 20;
const TRIES = 10;

/** Requests against one gateway, until `signal` says stop. A POST keeps its Idempotency-Key over its tries, so trying again is safe. */
export function createClient(url: string, signal?: AbortSignal): Call {
  return async (method, path, options = {}) => {
    const headers: Record<string, string> = { prefer: `wait=${options.wait ?? PATIENCE_SECONDS}` };
    if (options.token !== undefined) headers["authorization"] = `Bearer ${options.token}`;
    if (method === "POST") headers["idempotency-key"] = crypto.randomUUID();
    let body: string | Uint8Array<ArrayBuffer> | undefined;
    if (options.body !== undefined) {
      headers["content-type"] = options.mediaType ?? "application/json";
      body = options.body instanceof Uint8Array ? new Uint8Array(options.body) : JSON.stringify(options.body);
    }
    for (let tries = 1; ; tries += 1) {
      const response = await fetch(url + path, { method, headers, ...(body === undefined ? {} : { body }), ...(signal ? { signal } : {}) });
      const text = await response.text();
      const reply: Reply = { status: response.status, body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>) };
      if (reply.body["retry"] !== "same-key" || tries === TRIES) return reply;
      await new Promise((resolve) => setTimeout(resolve, 1_000 * Number(response.headers.get("retry-after") ?? 1)));
      signal?.throwIfAborted();
    }
  };
}

/** The answer's body; throws with the problem's own words when it is none of success. */
export async function expectSuccess(reply: Promise<Reply>, what: string): Promise<Record<string, unknown>> {
  const { status, body } = await reply;
  if (status < 300) return body;
  throw new Error(`${what}: ${status} ${String(body["code"] ?? "")} ${String(body["detail"] ?? "")}`);
}
