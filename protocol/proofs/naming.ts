/**
 * The name that a taxpayer bears from a later day on. The registry does not have it, because its
 * commitment is to the name of the enrolment; the bureau states it in a message that it signs
 * (EIP-712), so that the name proves itself elsewhere.
 *
 * Owns: the message, its shape in a bundle, and recovering the signer. Whether the key is the
 * bureau's is for the chain to say: its AccessManager knows the REGISTRARs. Invariant: never
 * throws.
 */
import { z } from "zod";
import { type Domain, digest, recoverSigner } from "../ledger/messages.ts";
import { plainText } from "../values/text.ts";

const hash = z.string().regex(/^0x[0-9a-fA-F]{64}$/, "hash-format");

/** A later name of a party. `from`: the first day of that name, in China. */
export const namedSchema = z.strictObject({
  name: plainText(300),
  from: z.iso.date("date-format"),
  signature: z
    .strictObject({ r: hash, vs: hash })
    .describe("The bureau's over Name(account, name, from), EIP-2098"),
});
export type Named = z.infer<typeof namedSchema>;

/** The digest that the bureau signs for a name. */
export const nameDigest = (
  domain: Domain,
  account: string,
  { name, from }: Pick<Named, "name" | "from">,
): string => digest(domain, { type: "Name", value: { account, name, from } });

/** The address whose key signed a name; undefined if the signature is invalid. */
export const namedBy = (domain: Domain, account: string, named: Named): string | undefined =>
  recoverSigner(
    nameDigest(domain, account, named),
    `${named.signature.r}${named.signature.vs.slice(2)}`,
  );
