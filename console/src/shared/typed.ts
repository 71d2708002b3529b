/**
 * What people type into forms, read as they mean it: an input method that is set to full width
 * gives full-width digits and letters, and other software gives figures with their thousands apart.
 */
import { normaliseTaxId } from "@onepiao/protocol/values/tax-id.ts";

/**
 * Full-width letters, digits and signs as the ordinary ones. No other character changes: Unicode's
 * compatibility forms would make 102 of 10².
 */
export const halfWidth = (text: string): string =>
  text
    .replaceAll(/[\uFF01-\uFF5E]/g, (sign) => String.fromCharCode(sign.charCodeAt(0) - 0xfee0))
    .replaceAll("\u3000", " ");

/** A comma or a blank is between thousands alone: 1,5 is not fifteen. */
const grouped = /^[+-]?\d{1,3}(?:[,\s]\d{3})+(?:\.\d*)?$/;

/**
 * A typed figure without what separates its thousands. It may still be no figure; "" when nothing
 * is typed.
 */
export function figureOf(text = ""): string {
  const bare = halfWidth(text).trim();
  return grouped.test(bare) ? bare.replaceAll(/[,\s]/g, "") : bare;
}

/**
 * A typed tax id in its one written form, which may be no tax id; "" when nothing is typed. Text
 * without a letter or a digit stays as it is, so that it is not taken for nothing.
 */
export function taxIdOf(text = ""): string {
  const bare = halfWidth(text).trim();
  return normaliseTaxId(bare) || bare;
}

/** Numbers in groups, as they are shown, without the blanks between the groups. */
export const digitsOf = (text = ""): string => halfWidth(text).replaceAll(/\s/g, "");
