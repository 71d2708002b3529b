/**
 * Disclosing a document: its salts, its content hash, and the parts that a reader is to see.
 *
 * The salts are one run of SHAKE256 over the invoice's 32 random bytes: the gateway stores 32
 * bytes, and a disclosed salt reveals nothing about the others. Checking a disclosure (parts.ts)
 * needs none of this.
 */
import { createHash } from "node:crypto";
import { fromHex, toHex } from "#bytes";
import type { InvoiceDocument } from "../formats/document.ts";
import {
  contentOf,
  type Disclosure,
  digestOf,
  type PartName,
  type Parts,
  partNames,
  partsOf,
  SALT_BYTES,
} from "./parts.ts";

const ALL_SALTS = SALT_BYTES * partNames.length;
/** For an imported document the salts themselves are known, but not their seed. */
const saltsOf = (seed: Uint8Array): Uint8Array =>
  seed.length === ALL_SALTS
    ? seed
    : createHash("shake256", { outputLength: ALL_SALTS }).update(seed).digest();

/**
 * The salts of a whole disclosure, in place of the seed. Throws RangeError if a part is not shown.
 */
export const saltsShown = ({ parts }: Disclosure): Buffer =>
  Buffer.concat(
    partNames.map((name) => {
      const part = parts[name];
      if (part === undefined) throw new RangeError(`${name} is not shown`);
      return fromHex(part.salt);
    }),
  );

function digestsOf(seed: Uint8Array, parts: Parts): Uint8Array[] {
  const salts = saltsOf(seed);
  return partNames.map((name, i) =>
    digestOf(i, salts.subarray(i * SALT_BYTES, (i + 1) * SALT_BYTES), parts[name]),
  );
}

/** The content hash that a leaf commits to. `seed`: the invoice's 32 random bytes, or its salts. */
export const contentHash = (seed: Uint8Array, document: InvoiceDocument): string =>
  contentOf(digestsOf(seed, partsOf(document)));

/** Discloses these parts of a document, by default all of them. */
export function disclose(
  seed: Uint8Array,
  document: InvoiceDocument,
  names: readonly PartName[] = partNames,
): Disclosure {
  const parts = partsOf(document);
  const salts = saltsOf(seed);
  const shown: Disclosure["parts"] = {};
  for (const [i, name] of partNames.entries()) {
    if (!names.includes(name)) continue;
    const value = parts[name];
    shown[name] = {
      salt: toHex(salts.subarray(i * SALT_BYTES, (i + 1) * SALT_BYTES)),
      ...(value === undefined ? {} : { value }),
    };
  }
  return { digests: digestsOf(seed, parts).map(toHex), parts: shown };
}
