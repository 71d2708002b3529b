/**
 * Normalises what people type into forms: an input method in full-width mode gives full-width
 * digits and letters, and other software gives figures with thousands separators.
 */
import { normaliseTaxId } from "@onepiao/protocol/values/tax-id.ts";

/**
 * Converts full-width letters, digits and signs to ordinary ones. All other characters stay:
 * Unicode's compatibility forms would turn 10² into 102.
 */
export const halfWidth = (text: string): string =>
  text
    .replaceAll(/[\uFF01-\uFF5E]/g, (sign) => String.fromCharCode(sign.charCodeAt(0) - 0xfee0))
    .replaceAll("\u3000", " ");

/** A comma or a space only separates thousands: 1,5 is not fifteen. */
const grouped = /^[+-]?\d{1,3}(?:[,\s]\d{3})+(?:\.\d*)?$/;

/**
 * A typed figure without thousands separators, which may still not be a number. "" if nothing was
 * typed.
 */
export function figureOf(text = ""): string {
  const bare = halfWidth(text).trim();
  return grouped.test(bare) ? bare.replaceAll(/[,\s]/g, "") : bare;
}

/**
 * A typed tax id in its normal form, which may still be invalid. "" if nothing was typed. Text
 * without a letter or digit stays unchanged, so that it does not count as empty.
 */
export function taxIdOf(text = ""): string {
  const bare = halfWidth(text).trim();
  return normaliseTaxId(bare) || bare;
}

/** Digits shown in groups, without the spaces between the groups. */
export const digitsOf = (text = ""): string => halfWidth(text).replaceAll(/\s/g, "");
