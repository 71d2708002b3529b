/**
 * Links that leave the console: in QR codes, messages, on paper. What identifies an invoice, and
 * above all a pickup's secret, stands behind the `#`, which browsers keep to themselves: no server,
 * proxy or log sees it. The text is the gateway's own (protocol/formats/qr.ts).
 */
import { type QrContent, qrText, readQr } from "@onepiao/protocol/formats/qr.ts";

export type { QrContent };
export { readQr };
/** What is asked to be verified: as printed on the invoice. */
export type Printed = { number: string; date: string; total: string };
export type Pickup = { number: string; secret: string };

/**
 * The text of an invoice's QR code, which is also a link to its verification (and to its pickup,
 * with the secret).
 */
export const linkOf = (content: QrContent, origin = location.origin): string =>
  qrText(origin, content);

/**
 * A pickup in a link or a scanned code: `…/verify#01,32,,number,…&pickup=…`, or {number, secret} as
 * the API gives it.
 */
export function readPickup(text: string): Pickup | undefined {
  const content = readQr(text);
  if (content?.pickup !== undefined) return { number: content.number, secret: content.pickup };
  try {
    const { number, secret } = JSON.parse(text) as Partial<Record<keyof Pickup, unknown>>;
    // a number of JSON has no twenty digits: the last ones are gone
    if (typeof number !== "string" || typeof secret !== "string") return undefined;
    if (/^\d{20}$/.test(number) && /^0x[0-9a-fA-F]{64}$/.test(secret)) return { number, secret };
  } catch {
    // no JSON: something else altogether
  }
  return undefined;
}

/** A page's own fragment as the link that it came from. */
export const linkWith = (hash: string): string => `https://console/verify${hash}`;

/**
 * What a link to the verify page asks for in its query (or, as a form would write it, its
 * fragment).
 */
export function readPrinted({ search, hash }: { search: string; hash: string }): Partial<Printed> {
  const given = new URLSearchParams(hash.length > 1 ? hash.slice(1) : search);
  const read = (name: keyof Printed) => given.get(name)?.slice(0, 40) || undefined;
  const [number, date, total] = [read("number"), read("date"), read("total")];
  return { ...(number ? { number } : {}), ...(date ? { date } : {}), ...(total ? { total } : {}) };
}
