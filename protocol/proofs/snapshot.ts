/**
 * What the registry says at a block, as a file: who is enrolled, with which keys, under which
 * commitment to tax id and name. With it a bundle is checked up to its issuer without a node.
 * Nobody signs it: whoever takes one trusts whom it is from.
 */
import { z } from "zod";
import { accountSchema as account, networkNameSchema } from "../values/shapes.ts";
import type { Bundle } from "./bundle.ts";
import type { Registered } from "./verdict.ts";

export const snapshotFormat = "onepiao-registry/1";

export const snapshotSchema = z
  .strictObject({
    format: z.literal(snapshotFormat),
    network: z.strictObject({
      name: networkNameSchema,
      chainId: z.number().int().min(1),
      registry: account,
      ledger: account,
    }),
    from: z.number().int().min(0).describe("The block that the contracts are from"),
    block: z.number().int().min(0).describe("What it says is of this block"),
    taxpayers: z.array(
      z.strictObject({
        index: z.number().int().min(1),
        account,
        keys: z.array(account).min(1).describe("Every key that it has had, the present one last"),
        identity: z
          .string()
          .regex(/^0x[0-9a-fA-F]{64}$/)
          .describe("Commitment to its tax id and name"),
      }),
    ),
  })
  .meta({ id: "RegistrySnapshot" });
export type Snapshot = z.infer<typeof snapshotSchema>;

export const snapshotOf = (of: {
  network: Bundle["network"];
  from: number;
  block: number;
  taxpayers: readonly Registered[];
}): Snapshot => ({
  format: snapshotFormat,
  ...of,
  taxpayers: of.taxpayers.map((one) => ({ ...one, keys: [...one.keys] })),
});

export const readSnapshot = (value: unknown): Snapshot | undefined =>
  snapshotSchema.safeParse(value).data;
