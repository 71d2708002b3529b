/**
 * The name that a taxpayer has had since a day: not in the registry, whose commitment is to the
 * name of the enrolment, but said by the bureau in a message that it signs (EIP-712), so that it
 * proves itself elsewhere.
 *
 * Owns: the message, its shape in a bundle, and whose key has signed it. That the key is the
 * bureau's is the chain's to say: its AccessManager has who is REGISTRAR. Invariant: throws
 * nothing.
 */
import { z } from "zod";
import { type Domain, digest, recoverSigner } from "../ledger/messages.ts";
import { plainText } from "../values/text.ts";

const hash = z.string().regex(/^0x[0-9a-fA-F]{64}$/, "hash-format");

/** A later name of a party. `from`: the first day that it has it, in China. */
export const namedSchema = z.strictObject({
  name: plainText(300),
  from: z.iso.date("date-format"),
  signature: z
    .strictObject({ r: hash, vs: hash })
    .describe("The bureau's over Name(account, name, from), EIP-2098"),
});
export type Named = z.infer<typeof namedSchema>;

/** What the bureau signs of a name. */
export const nameDigest = (
  domain: Domain,
  account: string,
  { name, from }: Pick<Named, "name" | "from">,
): string => digest(domain, { type: "Name", value: { account, name, from } });

/** Address whose key has signed a name; undefined when nobody's has. */
export const namedBy = (domain: Domain, account: string, named: Named): string | undefined =>
  recoverSigner(
    nameDigest(domain, account, named),
    `${named.signature.r}${named.signature.vs.slice(2)}`,
  );
