/**
 * Links that leave the console: in QR codes, in messages, on paper. What identifies an invoice,
 * above all a pickup secret, stands behind the `#`. Browsers do not send that part, so no server,
 * proxy or log sees it. The gateway uses the same text (protocol/formats/qr.ts).
 */
import { readNationalCode } from "@onepiao/protocol/formats/national-code.ts";
import { type QrContent, qrText, readQr } from "@onepiao/protocol/formats/qr.ts";

export type { QrContent };
export { readQr };
/** Whether a text is a code that only the platforms of other invoices print. */
export const isNationalCode = (text: string): boolean => readNationalCode(text) !== undefined;
/** The details to verify, as printed on the invoice. */
export type Printed = { number: string; date: string; total: string };
export type Pickup = { number: string; secret: string };

/**
 * The text of an invoice's QR code. It is also a link to the verify page, and with the secret a
 * link to the pickup.
 */
export const linkOf = (content: QrContent, origin = location.origin): string =>
  qrText(origin, content);

/**
 * Reads a pickup from a link or a scanned code: `…/verify#01,32,,number,…&pickup=…`, or {number,
 * secret} as the API returns it.
 */
export function readPickup(text: string): Pickup | undefined {
  const content = readQr(text);
  if (content?.pickup !== undefined) return { number: content.number, secret: content.pickup };
  try {
    const { number, secret } = JSON.parse(text) as Partial<Record<keyof Pickup, unknown>>;
    // a JSON number cannot hold twenty digits exactly
    if (typeof number !== "string" || typeof secret !== "string") return undefined;
    if (/^\d{20}$/.test(number) && /^0x[0-9a-fA-F]{64}$/.test(secret)) return { number, secret };
  } catch {
    // not JSON, so no pickup of the API
  }
  return undefined;
}

/** The code of another platform behind a page's `#`, as somebody has pasted it there. */
export function nationalCodeIn(hash: string): string | undefined {
  try {
    const text = decodeURIComponent(hash.slice(1));
    return isNationalCode(text) ? text : undefined;
  } catch {
    // not an encoded text
    return undefined;
  }
}

/** The link that a page's fragment belongs to. */
export const linkWith = (hash: string): string => `https://console/verify${hash}`;

/** Reads the details in a link to the verify page, from its query or its fragment. */
export function readPrinted({ search, hash }: { search: string; hash: string }): Partial<Printed> {
  const params = new URLSearchParams(hash.length > 1 ? hash.slice(1) : search);
  const read = (name: keyof Printed) => params.get(name)?.slice(0, 40) || undefined;
  const [number, date, total] = [read("number"), read("date"), read("total")];
  return { ...(number ? { number } : {}), ...(date ? { date } : {}), ...(total ? { total } : {}) };
}
