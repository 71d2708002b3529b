/**
 * An account as text: 0x and 40 hex digits. Mixed case is a checksum (EIP-55) and has to be right:
 * a mistyped account is a different account, and nobody has its key.
 */
import { hashBytes, toUtf8 } from "#bytes";

export const accountPattern = /^0x[0-9a-fA-F]{40}$/;

/** Makes each letter a capital whose digit of the hash is 8 or more (EIP-55). */
function capitals(digits: string): string {
  const hash = hashBytes(toUtf8(digits));
  const isCapital = (at: number) => (((hash[at >> 1] ?? 0) >> (at % 2 === 0 ? 4 : 0)) & 15) >= 8;
  return [...digits].map((digit, at) => (isCapital(at) ? digit.toUpperCase() : digit)).join("");
}

/**
 * True if the letters carry no checksum (all small or all capital) or the right one. Text that is
 * not an account has no checksum that could be wrong.
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

/** The accounts that the gateway accepts. */
export const isAccount = (text: string): boolean =>
  accountPattern.test(text) && hasTrueChecksum(text);
