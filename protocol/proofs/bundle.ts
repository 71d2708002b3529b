/**
 * The bundle (票据包): an invoice that proves itself. It has all or some of the invoice's parts, the
 * leaf that commits to them, the path to the lot's root, the issuer's seal over that root, and the
 * parties' identities. docs/bundle.md describes the format for other implementers.
 *
 * This file checks what a bundle proves alone: from the parts up to "the holder of this key has
 * sealed it", and that the bundle does not contradict itself (contradictions.ts). The registry and
 * the ledger have to say that the key is the issuer's, that the chain has the lot, and what has
 * become of the invoice (features/proof/verification.ts).
 *
 * Invariant: `checkBundle` never throws; the schema bounds the sizes that it works on.
 */

import { z } from "zod";
import { toUtf8 } from "#bytes";
import type { InvoiceDocument } from "../formats/document.ts";
import { checksummed, type Domain, digest, recoverSigner } from "../ledger/messages.ts";
import { type Evidence, keccak, type LotHeader, leafHash, rootFrom } from "../ledger/tree.ts";
import { accountSchema as account, networkNameSchema } from "../values/shapes.ts";
import { plainText } from "../values/text.ts";
import { type Contradiction, contradictions, type Judgement } from "./contradictions.ts";
import { namedBy, namedSchema } from "./naming.ts";
import { contentShown, type Parts, partNames } from "./parts.ts";

export const bundleFormat = "onepiao-bundle/1";

const hash = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, "hash-format")
  .toLowerCase();
const number = z.string().regex(/^\d{20}$/, "number-has-20-digits");
const index = z.number().int().min(0).max(0xffff_ffff);

/**
 * Deeper than any part of a document, and far from the depth at which walking it exhausts the
 * stack.
 */
const MAX_DEPTH = 32;
const isShallow = (value: unknown, left = MAX_DEPTH): boolean =>
  typeof value !== "object" ||
  value === null ||
  (left > 0 && Object.values(value).every((member) => isShallow(member, left - 1)));

/**
 * A party as the registry knows it: `salt`, tax id and name open the commitment of its enrolment.
 */
export const identitySchema = z.strictObject({
  index,
  account,
  taxId: z.string().regex(/^[0-9A-Z]{4,30}$/, "tax-id-format"),
  name: plainText(300),
  salt: z.string().regex(/^[0-9a-f]{64}$/, "salt-format"),
  named: namedSchema
    .optional()
    .describe(
      "A later name, by the bureau's word. Absent: it is claimed to have the name of its enrolment",
    ),
});
export type Identity = z.infer<typeof identitySchema>;

export const bundleSchema = z
  .strictObject({
    format: z.literal(bundleFormat),
    network: z.strictObject({
      name: networkNameSchema,
      chainId: z.number().int().min(1),
      registry: account,
      ledger: account,
    }),
    number,
    parts: z
      .partialRecord(
        z.enum(partNames),
        z.strictObject({
          salt: z.string().regex(/^0x[0-9a-fA-F]{32}$/, "salt-format"),
          value: z
            .unknown()
            .refine((value) => isShallow(value), "too-deep")
            .optional(),
        }),
      )
      .describe(
        "The parts that are shown. Absent: nothing is claimed of that part. A part without a " +
          "value claims that the document has none",
      ),
    digests: z
      .array(hash)
      .length(partNames.length)
      .describe("Of all parts, shown or not, in the order of their names in docs/bundle.md"),
    leaf: z.strictObject({ content: hash, holder: account, buyer: index }),
    lot: z.strictObject({
      first: number,
      count: z.number().int().min(1).max(1_024),
      issuer: index,
      time: z.number().int().min(0),
      root: hash,
      segment: number,
    }),
    path: z.array(hash).max(10).describe("Sibling hashes from the leaf up (RFC 9162)"),
    seal: z
      .strictObject({ r: hash, vs: hash })
      .describe("The issuer's signature over Seal(issuer, segment, first, count, root), EIP-2098"),
    parties: z
      .array(identitySchema)
      .max(2)
      .describe(
        "Who issuer and titled buyer are, each once. Absent: it is not claimed who they are, " +
          "and a shown seller or buyer is attributed to nobody",
      ),
  })
  .meta({ id: "Bundle" });
export type Bundle = z.infer<typeof bundleSchema>;

/** In this order; after a step that fails, the later ones mean nothing. */
export const steps = ["format", "parts", "content", "path", "seal", "parties", "document"] as const;
export type Step = { step: (typeof steps)[number]; ok: boolean; detail: string };
export type Checked = {
  ok: boolean;
  steps: Step[];
  bundle?: Bundle;
  /** Whose key made the seal. It need not be the issuer's. */
  signer?: string;
  /** The content of the shown parts; every member may be missing. */
  shown?: Parts;
  /** The bundle's contradictions; empty if the steps `parties` and `document` hold. */
  contradictions: Contradiction[];
  /** Seller or buyer, if shown without the party that identifies it. */
  unattributed: Judgement["unattributed"];
  /** The whole document, if all its parts are shown and everything holds. */
  document?: InvoiceDocument;
};

/**
 * The registry's commitment to a taxpayer's identity: keccak256 of the JSON array [salt, tax id,
 * name].
 */
export const identityCommitment = ({
  salt,
  taxId,
  name,
}: Pick<Identity, "salt" | "taxId" | "name">): string =>
  keccak(toUtf8(JSON.stringify([salt, taxId, name])));

export const ledgerDomain = ({ network }: Pick<Bundle, "network">): Domain => ({
  name: network.name,
  version: "1",
  chainId: network.chainId,
  verifyingContract: network.ledger,
});

const NOBODY = `0x${"00".repeat(20)}`;
/** The signers of the parties' later names; the zero account for an invalid signature. */
export const namesBy = ({ parties, ...bundle }: Pick<Bundle, "network" | "parties">): string[] =>
  parties.flatMap(({ account, named }) =>
    named === undefined ? [] : [namedBy(ledgerDomain(bundle), account, named) ?? NOBODY],
  );

/** The bundle's evidence for the ledger that its invoice is sealed. */
export function evidenceOf({ lot, leaf, path }: Bundle): Evidence {
  const { segment: _, ...header } = lot;
  return { lot: header satisfies LotHeader, leaf, proof: path };
}

/** Runs every check that needs only the bundle. `value`: parsed JSON. */
export function checkBundle(value: unknown): Checked {
  const done: Step[] = [];
  const say = (step: Step["step"], ok: boolean, detail: string) => {
    done.push({ step, ok, detail });
    return ok;
  };
  const parsed = bundleSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    say(
      "format",
      false,
      `/${issue?.path.join("/") ?? ""}: ${issue?.message ?? "not a bundle"}`.slice(0, 300),
    );
    return { ok: false, steps: done, contradictions: [], unattributed: [] };
  }
  const bundle = parsed.data;
  const { lot, leaf, seal } = bundle;
  say("format", true, bundleFormat);

  const { content, wrong } = contentShown(bundle as Parameters<typeof contentShown>[0]);
  const names = partNames.filter((name) => bundle.parts[name] !== undefined);
  say(
    "parts",
    wrong.length === 0,
    wrong.length === 0
      ? `${names.length} of ${partNames.length} parts are shown and fit their digests`
      : `altered: ${wrong.join(", ")}`,
  );
  say(
    "content",
    content === leaf.content.toLowerCase(),
    `the digests ${content === leaf.content.toLowerCase() ? "give" : "do not give"} the ` +
      "leaf's content hash",
  );

  const position = BigInt(bundle.number) - BigInt(lot.first);
  const inside = position >= 0n && position < BigInt(lot.count);
  const root = inside
    ? rootFrom(bundle.path, Number(position), lot.count, leafHash(leaf))
    : undefined;
  const detail = inside
    ? `leaf ${position} of ${lot.count} ` +
      `${root === lot.root.toLowerCase() ? "leads" : "does not lead"} to the lot's root`
    : "the number is not in the lot";
  say("path", root === lot.root.toLowerCase(), detail);

  const message = {
    type: "Seal" as const,
    value: {
      issuer: lot.issuer,
      segment: lot.segment,
      first: lot.first,
      count: lot.count,
      root: lot.root,
    },
  };
  const signer = recoverSigner(
    digest(ledgerDomain(bundle), message),
    `${seal.r}${seal.vs.slice(2)}`,
  );
  say(
    "seal",
    signer !== undefined,
    signer === undefined ? "the seal is not a signature" : `sealed by the key ${signer}`,
  );

  const shown: Parts = Object.fromEntries(names.map((name) => [name, bundle.parts[name]?.value]));
  const judged = contradictions({ parts: shown, lot, leaf, parties: bundle.parties });
  const named = bundle.parties.map(({ index, taxId }) => `${index} ${taxId}`).join(", ");
  const holds = {
    parties: named === "" ? "no party is named" : `named: ${named}`,
    document: judged.document
      ? "the parts are a whole document"
      : "what is shown keeps the rules of a document",
  };
  for (const step of ["parties", "document"] as const) {
    const [first, ...more] = judged.contradictions.filter(
      (contradiction) => contradiction.step === step,
    );
    say(
      step,
      !first,
      first
        ? `${first.field}: ${first.detail}${more.length > 0 ? `, and ${more.length} more` : ""}`
        : holds[step],
    );
  }
  const ok = done.every((step) => step.ok);
  const { document, ...rest } = judged;
  return {
    ok,
    steps: done,
    bundle,
    shown,
    ...rest,
    ...(signer === undefined ? {} : { signer: checksummed(signer) }),
    ...(document && ok ? { document } : {}),
  };
}
