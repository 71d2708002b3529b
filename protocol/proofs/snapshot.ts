/**
 * The registry's content at a block, as a file: the taxpayers, their keys, and their commitments to
 * tax id and name. It allows checking a bundle up to its issuer without a node. Nobody signs the
 * file: its user has to trust its source.
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

export const snapshotOf = (content: {
  network: Bundle["network"];
  from: number;
  block: number;
  taxpayers: readonly Registered[];
}): Snapshot => ({
  format: snapshotFormat,
  ...content,
  taxpayers: content.taxpayers.map((taxpayer) => ({ ...taxpayer, keys: [...taxpayer.keys] })),
});

export const readSnapshot = (value: unknown): Snapshot | undefined =>
  snapshotSchema.safeParse(value).data;
