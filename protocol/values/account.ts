/**
 * An account as text: 0x and 40 hex digits. Capitals and small letters mixed are a checksum
 * (EIP-55), which has to be right: a slip of the pen is another account, and nobody's.
 */
import { hashBytes, toUtf8 } from "#bytes";

export const accountPattern = /^0x[0-9a-fA-F]{40}$/;

/** A digit of the hash, from 8 on, makes the letter at its place a capital. */
function capitals(digits: string): string {
  const hash = hashBytes(toUtf8(digits));
  const isCapital = (at: number) => (((hash[at >> 1] ?? 0) >> (at % 2 === 0 ? 4 : 0)) & 15) >= 8;
  return [...digits].map((digit, at) => (isCapital(at) ? digit.toUpperCase() : digit)).join("");
}

/**
 * Whether the letters state no checksum (all small, all capital) or the right one. Text that is no
 * account has none to be wrong.
 */
export function hasTrueChecksum(text: string): boolean {
  const digits = text.slice(2);
  const plain = digits.toLowerCase();
  return (
    !accountPattern.test(text) ||
    digits === plain ||
    digits === plain.toUpperCase() ||
    digits === capitals(plain)
  );
}

/** What the gateway takes as an account. */
export const isAccount = (text: string): boolean =>
  accountPattern.test(text) && hasTrueChecksum(text);
