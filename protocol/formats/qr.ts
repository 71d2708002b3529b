/**
 * The text in an invoice's QR code: a link to the verify page, with the familiar text of a 数电票
 * behind its `#`.
 *
 *   https://gateway/verify#01,32,,26442000000000000001,200.00,20261103,,1A2B&pickup=…&proof=…
 *
 * Owns: writing and reading that text, and the bare one (`01,31|32,,number,gross,yyyymmdd,,crc`). A
 * browser does not send the part behind the `#`, so number, amount and the pickup's secret reach no
 * log. This file carries `proof` without reading it. Invariants: `readQr` reads what `qrText`
 * writes; `readQr` never throws. Imports nothing at run time, so a browser can have it too. Does
 * not own: the picture (drawing/qr-image.ts), and whether any of it is true.
 */
import type { InvoiceDocument } from "./document.ts";

export type QrContent = {
  number: string;
  kind: "ordinary" | "special";
  gross: string;
  /** As printed: YYYY-MM-DD. */
  date: string;
  /** The secret that takes an untitled invoice over: 0x and 64 hex digits. */
  pickup?: string | undefined;
  /** Proves the invoice without a node; characters of base64url, and . ~ * / : */
  proof?: string | undefined;
};

const proofPattern = /^[A-Za-z0-9._~*/:-]{1,3200}$/;
/** Longer than any text that this file writes. */
const maxText = 4096;

/** The day printed on an invoice: the one in its own time zone. */
export const dateOf = ({ issuedAt }: Pick<InvoiceDocument, "issuedAt">): string =>
  issuedAt.slice(0, 10);

/**
 * CRC-16/XMODEM. The tax office does not publish its own check value, and a QR code corrects its
 * own errors, so reading does not check this value.
 */
function crc16(text: string): string {
  let crc = 0;
  for (const character of text) {
    crc ^= (character.codePointAt(0) ?? 0) << 8;
    for (let bit = 0; bit < 8; bit++)
      crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc.toString(16).toUpperCase().padStart(4, "0");
}

/** The bare text of a 数电票, which accounting software expects. */
export function qrFields({ number, kind, gross, date }: QrContent): string {
  const code = kind === "special" ? "31" : "32";
  const text = `01,${code},,${number},${gross},${date.replaceAll("-", "")},,`;
  return text + crc16(text);
}

/**
 * The text of the QR code. `publicUrl`: the gateway's address from outside, without a slash at its
 * end.
 */
export function qrText(publicUrl: string, content: QrContent): string {
  const pickup = content.pickup === undefined ? "" : `&pickup=${content.pickup.replace(/^0x/, "")}`;
  const proof = content.proof === undefined ? "" : `&proof=${content.proof}`;
  return `${publicUrl}/verify#${qrFields(content)}${pickup}${proof}`;
}

const realDate = (text: string): string | undefined => {
  const date = /^(\d{4})-?(\d{2})-?(\d{2})$/.exec(text)?.slice(1).join("-");
  return date !== undefined && new Date(`${date}T00:00:00Z`).toJSON()?.slice(0, 10) === date
    ? date
    : undefined;
};
const isGross = (text: string) => /^-?(?:0|[1-9]\d{0,12})\.\d{2}$/.test(text);

/**
 * The content of a QR code: a link, or the bare text of a 数电票 issued elsewhere. Undefined if it is
 * neither.
 */
export function readQr(text: string): QrContent | undefined {
  const trimmed = text.trim();
  if (trimmed.length > maxText) return undefined;
  const link = /^https?:\/\/[^#\s]*#(.*)$/s.exec(trimmed);
  const [fields = "", ...more] = (link?.[1] ?? trimmed).split("&");
  const match = /^01,(31|32),[^,]*,(\d{20}),([^,]*),(\d{8}),[^,]*,[0-9A-Fa-f]{1,8}$/.exec(fields);
  const date = realDate(match?.[4] ?? "");
  if (match === null || date === undefined || !isGross(match[3] ?? "")) return undefined;
  const content: QrContent = {
    number: match[2] ?? "",
    kind: match[1] === "31" ? "special" : "ordinary",
    gross: match[3] ?? "",
    date,
  };
  for (const part of link === null ? [] : more) {
    if (/^pickup=[0-9a-fA-F]{64}$/.test(part)) content.pickup = `0x${part.slice(7).toLowerCase()}`;
    else if (part.startsWith("proof=") && proofPattern.test(part.slice(6)))
      content.proof = part.slice(6);
  }
  return content;
}
