/**
 * What the `data` of an event holds, by its type. docs/events.md has the same as a table, with who
 * sees it. Members that only the bureau sees are optional here.
 */
import { creditEffects } from "@onepiao/protocol/formats/credit.ts";
import { facts } from "@onepiao/protocol/ledger/identity.ts";
import { sameNames } from "@onepiao/protocol/ledger/near.ts";
import { accountSchema, invoiceNameSchema } from "@onepiao/protocol/values/shapes.ts";
import { type ZodObject, z } from "zod";
import type { EventType } from "./events.ts";

const index = z.int().describe("The registry's index of a taxpayer");
const cents = z.string().describe("Cents, as a decimal number");
const ref = z.string().describe("What the act was signed with");
const ofClaim = z.object({
  claim: z.string().optional().describe("When it was made through this gateway"),
  ref,
  employer: index,
});
const ofTransfer = z.object({
  transfer: z.string(),
  from: accountSchema,
  to: accountSchema,
  status: z.string(),
});
const ofRedLetter = z.object({
  redLetter: z.string().optional().describe("When it was opened at this gateway"),
  ref,
});
const ofStanding = z.object({ taxpayer: index, standing: z.string() });
const ofQuota = z.object({
  taxpayer: index,
  period: z.int().describe("A month: 202611"),
  amount: cents,
  drawn: cents,
});
const nothing = z.object({});

export const eventData = {
  "invoice.issued": z.object({ lot: z.string() }),
  "external.conflict": z.object({
    differs: z
      .array(z.enum(facts))
      .describe("In what its document differs from the registered one"),
    by: accountSchema.optional().describe("Who registered the differing document; for the bureau"),
    employer: z.number().int().optional().describe("Its index; for the bureau"),
    claim: z.uuid().optional().describe("The claim of the registration; for the bureau"),
  }),
  "external.near-duplicate": z.object({
    same: z.array(z.enum(sameNames)).describe("Whose names the two invoices have in common"),
    other: invoiceNameSchema.describe("The other invoice"),
    by: accountSchema.optional().describe("Who registered the invoice; for the bureau"),
    employer: z.number().int().optional().describe("Its index; for the bureau"),
    claim: z.uuid().optional().describe("The claim of the invoice; for the bureau"),
  }),
  "external.credited": z.object({
    effect: z.enum(creditEffects).describe("What the credit note does to the claim"),
    claim: z.uuid(),
    overpaid: z.boolean().describe("It came after the claim was reimbursed"),
    credit: z
      .uuid()
      .optional()
      .describe("The credit note; not if another employer has recorded it"),
    employer: index.optional().describe("From which it is claimed; for the bureau"),
    recorder: index.optional().describe("Who has recorded the credit note; for the bureau"),
  }),
  "invoice.imported": z.object({ lot: z.string(), state: z.string() }),
  "transfer.offered": ofTransfer,
  "transfer.ended": ofTransfer,
  "invoice.transferred": z.object({ from: accountSchema, to: accountSchema }),
  "claim.created": ofClaim,
  "claim.rejected": ofClaim,
  "claim.withdrawn": ofClaim,
  "invoice.reimbursed": ofClaim,
  "invoice.reversed": ofRedLetter,
  "invoice.adjusted": ofRedLetter,
  "red-letter.changed": z.object({ redLetter: z.string(), status: z.string() }),
  "red-letter.issued": z.object({ redLetter: z.string(), issued: z.string() }),
  "invoice.entered": z.object({ mark: z.string(), act: z.string(), employer: index }),
  "reimbursement.refused": z.object({
    reason: z.string(),
    attempt: z.string(),
    by: accountSchema.optional(),
    employer: index.optional(),
    act: z.string().optional(),
  }),
  "taxpayer.enrolled": z.object({ taxpayer: index, account: accountSchema }),
  "taxpayer.suspended": ofStanding,
  "taxpayer.reinstated": ofStanding,
  "audit.alarm": z.object({ kind: z.string(), issuer: index, subject: z.string() }),
  "quota.set": z.object({ taxpayer: index, period: ofQuota.shape.period, granted: cents }),
  "quota.drawn": ofQuota,
  "quota.given-back": ofQuota,
  "segment.allotted": z.object({ taxpayer: index, first: z.string(), length: z.string() }),
  "key.rotated": z.object({ account: accountSchema, key: accountSchema }),
  "ledger.closed": nothing,
  "ledger.opened": nothing,
} as const satisfies Record<EventType, ZodObject>;

type Data = typeof eventData;
/** `type` says which `data` there is. */
export type TypeAndData = {
  [T in EventType]: { type: T; data: z.output<Data[T]> };
}[EventType];

const options = Object.entries(eventData).map(([type, data]) =>
  z.object({ type: z.literal(type), data }),
);
export const typeAndData = z.union(options).meta({
  id: "EventData",
  description: "`type` says what `data` holds",
}) as unknown as z.ZodType<TypeAndData>;
