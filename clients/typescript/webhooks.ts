/** Verifies and reads webhook deliveries of the gateway (Standard Webhooks). */
import type { Event } from "./follow.ts";

/** `id`: the event's id; process each once. `data`: the event; anything in a `webhook.test`. */
export type Delivery = { id: string; type: string; timestamp: string; data: Event };

/** The delivery is not from the gateway, or it is too old. Answer it with 400. */
export class WebhookError extends Error {
  override readonly name = "WebhookError";
}

/** How old, or how far ahead of this machine's clock, a delivery may be, in seconds. */
const TOLERANCE_SECONDS = 300;

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

async function signs(secret: string, content: Uint8Array<ArrayBuffer>, signature: string) {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const raw = bytesOf(secret.replace(/^whsec_/, ""));
  const key = await crypto.subtle.importKey("raw", raw, algorithm, false, ["verify"]);
  try {
    // compares in constant time
    return await crypto.subtle.verify("HMAC", key, bytesOf(signature), content);
  } catch {
    return false; // not base64
  }
}

/**
 * Checks a delivery's signature and time, and reads it.
 *
 *   const { id, data } = await verifyWebhook(secret, body, request.headers);
 *
 * `body`: the text or bytes as received, before any parsing. `headers`: those of the request, from
 * Node or fetch. `secret`: `whsec_…`, or several while a secret is being rotated. Throws a
 * WebhookError.
 */
export async function verifyWebhook(
  secret: string | readonly string[],
  body: string | Uint8Array,
  headers: Headers | Record<string, string | string[] | undefined>,
): Promise<Delivery> {
  const header = (name: string) => {
    const value = headers instanceof Headers ? headers.get(name) : headers[name];
    if (typeof value !== "string") throw new WebhookError(`The header ${name} is missing`);
    return value;
  };
  const id = header("webhook-id");
  const timestamp = header("webhook-timestamp");
  const seconds = /^\d{1,12}$/.test(timestamp) ? Number(timestamp) : Number.NaN;
  if (!(Math.abs(Date.now() / 1_000 - seconds) <= TOLERANCE_SECONDS))
    throw new WebhookError("The delivery is too old, or too new");
  const text = typeof body === "string" ? body : new TextDecoder().decode(body);
  const content = new TextEncoder().encode(`${id}.${timestamp}.${text}`);
  const signatures = header("webhook-signature")
    .split(" ")
    .filter((part) => part.startsWith("v1,"))
    .map((part) => part.slice("v1,".length));
  const secrets = typeof secret === "string" ? [secret] : secret;
  for (const each of secrets)
    for (const signature of signatures)
      if (await signs(each, content, signature)) return { ...JSON.parse(text), id };
  throw new WebhookError("No signature is by this secret");
}
