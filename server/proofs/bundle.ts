/**
 * The bundle (票据包): an invoice that proves itself. Its parts, or some of them, the leaf that commits to them, the path to the lot's
 * root, the issuer's seal over that root, and who the parties are. docs/bundle.md has the format for those who read it elsewhere.
 *
 * Checked here is what needs nobody else: from the parts up to "whoever has this key has sealed it". That the key is the issuer's, that
 * the chain has the lot, and what has become of the invoice is asked of the registry and the ledger (features/verification).
 *
 * Invariant: `checkBundle` throws nothing, whatever it is given; the sizes it works on are bounded by the schema.
 */

import { z } from "zod";
import { toUtf8 } from "#bytes";
import { checksummed, type Domain, digest, recoverSigner } from "../chain/messages.ts";
import { type Evidence, keccak, type LotHeader, leafHash, rootFrom } from "../chain/tree.ts";
import { type InvoiceDocument, invoiceDocument } from "../formats/document.ts";
import { accountSchema as account } from "../kernel/shapes.ts";
import { contentShown, documentOfParts, type Parts, partNames } from "./parts.ts";

export const bundleFormat = "onepiao-bundle/1";

const hash = z.string().regex(/^0x[0-9a-fA-F]{64}$/, "hash-format");
const number = z.string().regex(/^\d{20}$/, "number-has-20-digits");
const index = z.number().int().min(0).max(0xffff_ffff);

/** Deeper than any part of a document, and far from where walking it would take the stack. */
const MAX_DEPTH = 32;
const isShallow = (value: unknown, left = MAX_DEPTH): boolean =>
  typeof value !== "object" || value === null || (left > 0 && Object.values(value).every((member) => isShallow(member, left - 1)));

/** A party as the registry knows it: `salt`, tax id and name open the commitment of its enrolment. */
export const identitySchema = z.strictObject({
  index,
  account,
  taxId: z.string().max(40),
  name: z.string().max(300),
  salt: z.string().regex(/^[0-9a-f]{64}$/, "salt-format"),
});
export type Identity = z.infer<typeof identitySchema>;

export const bundleSchema = z
  .strictObject({
    format: z.literal(bundleFormat),
    network: z.strictObject({ name: z.string().min(1).max(31), chainId: z.number().int().min(1), registry: account, ledger: account }),
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
      .describe("The parts that are shown. A part without a value is one that the document does not have"),
    digests: z.array(hash).length(partNames.length).describe("Of all parts, shown or not, in the order of their names in docs/bundle.md"),
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
    seal: z.strictObject({ r: hash, vs: hash }).describe("The issuer's signature over Seal(issuer, segment, first, count, root), EIP-2098"),
    parties: z.array(identitySchema).max(2).describe("Who issuer and titled buyer are, for the parts that are shown"),
  })
  .meta({ id: "Bundle" });
export type Bundle = z.infer<typeof bundleSchema>;

/** In this order; one that fails makes those after it worth nothing. */
export const steps = ["format", "parts", "content", "path", "seal", "parties", "document"] as const;
export type Step = { step: (typeof steps)[number]; ok: boolean; detail: string };
export type Checked = {
  ok: boolean;
  steps: Step[];
  bundle?: Bundle;
  /** Whose key has made the seal. That it is the issuer's is not said by this. */
  signer?: string;
  /** What the shown parts say; every member may be missing. */
  shown?: Parts;
  /** The whole document, when all its parts are shown. */
  document?: InvoiceDocument;
};

/** The registry's commitment to who a taxpayer is: keccak256 of the JSON array [salt, tax id, name]. */
export const identityCommitment = ({ salt, taxId, name }: Pick<Identity, "salt" | "taxId" | "name">): string =>
  keccak(toUtf8(JSON.stringify([salt, taxId, name])));

export const ledgerDomain = ({ network }: Pick<Bundle, "network">): Domain => ({
  name: network.name,
  version: "1",
  chainId: network.chainId,
  verifyingContract: network.ledger,
});

/** What the ledger takes as evidence that the bundle's invoice is sealed. */
export function evidenceOf({ lot, leaf, path }: Bundle): Evidence {
  const { segment: _, ...header } = lot;
  return { lot: header satisfies LotHeader, leaf, proof: path };
}

/** Checks a bundle as far as it goes by itself. `value`: parsed JSON. */
export function checkBundle(value: unknown): Checked {
  const done: Step[] = [];
  const say = (step: Step["step"], ok: boolean, detail: string) => {
    done.push({ step, ok, detail });
    return ok;
  };
  const parsed = bundleSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    say("format", false, `/${issue?.path.join("/") ?? ""}: ${issue?.message ?? "not a bundle"}`.slice(0, 300));
    return { ok: false, steps: done };
  }
  const bundle = parsed.data;
  const { lot, leaf, seal } = bundle;
  say("format", true, bundleFormat);

  const { content, wrong } = contentShown(bundle as Parameters<typeof contentShown>[0]);
  const names = partNames.filter((name) => bundle.parts[name] !== undefined);
  say(
    "parts",
    wrong.length === 0,
    wrong.length === 0 ? `${names.length} of ${partNames.length} parts are shown and fit their digests` : `altered: ${wrong.join(", ")}`,
  );
  say(
    "content",
    content === leaf.content.toLowerCase(),
    `the digests ${content === leaf.content.toLowerCase() ? "give" : "do not give"} the leaf's content hash`,
  );

  const position = BigInt(bundle.number) - BigInt(lot.first);
  const inside = position >= 0n && position < BigInt(lot.count);
  const root = inside ? rootFrom(bundle.path, Number(position), lot.count, leafHash(leaf)) : undefined;
  const detail = inside
    ? `leaf ${position} of ${lot.count} ${root === lot.root.toLowerCase() ? "leads" : "does not lead"} to the lot's root`
    : "the number is not in the lot";
  say("path", root === lot.root.toLowerCase(), detail);

  const message = { type: "Seal" as const, value: { issuer: lot.issuer, segment: lot.segment, first: lot.first, count: lot.count, root: lot.root } };
  const signer = recoverSigner(digest(ledgerDomain(bundle), message), `${seal.r}${seal.vs.slice(2)}`);
  say("seal", signer !== undefined, signer === undefined ? "the seal is no signature" : `sealed by the key ${signer}`);

  const shown: Parts = Object.fromEntries(names.map((name) => [name, bundle.parts[name]?.value]));
  say("parties", ...checkParties(bundle, shown));

  let document: InvoiceDocument | undefined;
  if (names.length === partNames.length) {
    const whole = invoiceDocument.safeParse(documentOfParts(shown));
    document = whole.data;
    say("document", whole.success, whole.success ? "the parts are a whole document" : "the parts are no document of the shape of an invoice");
  }
  const ok = done.every((step) => step.ok);
  return { ok, steps: done, bundle, shown, ...(signer === undefined ? {} : { signer: checksummed(signer) }), ...(document && ok ? { document } : {}) };
}

/** The parties named are the lot's issuer and the leaf's buyer, and have the tax ids that the parts say. */
function checkParties({ parties, lot, leaf }: Bundle, shown: Parts): [boolean, string] {
  for (const party of parties) {
    const part = party.index === lot.issuer ? "seller" : party.index === leaf.buyer ? "buyer" : undefined;
    if (part === undefined) return [false, `taxpayer ${party.index} is neither its issuer nor its titled buyer`];
    const said = shown[part] as { taxId?: string } | undefined;
    if (said !== undefined && said.taxId !== party.taxId) return [false, `the ${part} has another tax id than taxpayer ${party.index}`];
  }
  return [true, parties.length === 0 ? "no party is named" : `named: ${parties.map((party) => `${party.index} ${party.taxId}`).join(", ")}`];
}
