/** HTTP shape of deposits and of the bureau's audit. */

import {
  accountSchema,
  numberSchema,
  sealedDocumentSchema,
} from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import type { Audit } from "../features/bureau/audit.ts";
import { type FindingPlace, findingKinds } from "../features/bureau/audit-findings.ts";
import { routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();
const tag = "Audit";

const base64url = (bytes: number) =>
  z
    .string()
    .regex(/^[A-Za-z0-9_-]*$/, "base64url")
    .max(Math.ceil((bytes * 4) / 3));
const deposited = z
  .strictObject({
    ...sealedDocumentSchema.shape,
    salt: z.string().regex(/^0x[0-9a-fA-F]{64}$/, "salt-format"),
    key: base64url(40).describe("The content key under the lot's key (RFC 3394)"),
    document: z.strictObject({
      aad: z.string().regex(/^[ -~]{0,200}$/, "aad-format"),
      iv: base64url(12),
      ciphertext: base64url(12_000_000),
      tag: base64url(16),
    }),
    holder: accountSchema.describe("The first holder, as in the leaf"),
    buyer: z
      .number()
      .int()
      .min(0)
      .max(0xffff_ffff)
      .describe("Index of the titled buyer; 0 when it is untitled"),
    reverses: numberSchema.optional().describe("For a red letter: the invoice that it takes back"),
    acceptedAt: z.iso.datetime(),
  })
  .meta({ id: "DepositedDocument" });
const amounts = z.object({ invoices: z.number().int(), gross: z.string(), tax: z.string() });
const period = z
  .string()
  .regex(/^\d{4}-(0[1-9]|1[0-2])$/, "period-format")
  .transform((text) => Number(text.replace("-", "")));

/** A place among the findings: when it was found in microseconds, kind, issuer, subject. */
const place = /^(\d{1,17})-([a-z-]{1,40})-(\d{1,10})-(\d{1,78})$/;
const placeSchema = z
  .string()
  .regex(place, "page-format")
  .transform((text): FindingPlace => {
    const [, micros, kind, issuer, subject] = place.exec(text) as unknown as [
      string,
      string,
      FindingPlace["kind"],
      string,
      string,
    ];
    return { micros: BigInt(micros), kind, issuer: Number(issuer), subject };
  })
  .meta({ id: "FindingPlace", example: "1793000000000000-quota-exceeded-7-202611" });

export function auditRoutes(audit: Audit) {
  return [
    route({
      method: "get",
      path: "/v1/deposits/key",
      summary: "The bureau's key, to which deposits are encrypted",
      tag,
      roles: ["bureau", "issuer"],
      answers: {
        200: {
          description: "The key",
          schema: z.object({ kid: z.string(), jwk: z.record(z.string(), z.string()) }),
        },
      },
      problems: ["not-found"],
      run: async ({ sql }) => ({ status: 200, body: await audit.depositKey(sql) }),
    }),
    route({
      method: "post",
      path: "/v1/deposits/key-rotations",
      summary: "Change the key that deposits are encrypted to",
      description:
        "Earlier keys still open what was encrypted to them. A gateway whose operator has set DEPOSIT_KID waits until it names the new one.",
      tag,
      roles: ["bureau"],
      answers: {
        201: {
          description: "The new key",
          schema: z.object({ kid: z.string(), jwk: z.record(z.string(), z.string()) }),
        },
      },
      problems: ["not-found", "deposit-key-limit"],
      run: async ({ sql }) => ({ status: 201, body: await audit.rotateDepositKey(sql) }),
    }),
    route({
      method: "post",
      path: "/v1/deposits",
      summary: "Deposit documents of a sealed lot for the bureau's auditor",
      description:
        "By an issuer's gateway, in pieces of up to 200 documents. They are encrypted to the bureau; a document that does not open is refused by its field. Once the lot is whole, the auditor checks that the documents are those that were sealed.",
      tag,
      roles: ["issuer"],
      body: z.strictObject({
        lot: numberSchema,
        key: z
          .string()
          .regex(/^[\w.-]{1,2000}$/, "jwe-format")
          .describe("The lot's key: a JWE to the bureau's"),
        documents: z.array(deposited).min(1).max(200),
      }),
      answers: {
        200: {
          description: "Stored",
          schema: z.object({
            lot: numberSchema,
            received: z.number().int().describe("Documents of the lot that have arrived"),
            count: z.number().int(),
          }),
        },
      },
      problems: ["not-found", "lot-unknown", "invalid-request"],
      run: async ({ sql, caller, body }) => ({
        status: 200,
        body: { lot: body.lot, ...(await audit.deposit(sql, caller, body)) },
      }),
    }),
    route({
      method: "get",
      path: "/v1/audit",
      summary: "Progress and findings of the audit of sealed lots",
      tag,
      roles: ["bureau"],
      query: z.object({
        before: placeSchema.optional().describe("`next` of the page before"),
        limit: z.coerce.number().int().min(1).max(100).default(100).describe("Findings on a page"),
      }),
      answers: {
        200: {
          description: "Progress and a page of the findings, the newest first",
          schema: z.object({
            lots: z.number().int().describe("Lots that are judged and added up"),
            waiting: z
              .number()
              .int()
              .describe("Lots whose documents are missing or differ from the sealed ones"),
            behind: z
              .number()
              .int()
              .describe("Sealed lots still to be audited, counted up to 10,000"),
            waitingSince: z.iso.datetime().optional(),
            findings: z.array(
              z.object({
                kind: z.enum(findingKinds),
                issuer: z.number().int(),
                subject: z
                  .string()
                  .describe("A lot's first number, an invoice's number, or a period as yyyymm"),
                foundAt: z.iso.datetime(),
              }),
            ),
            next: z.string().optional(),
          }),
        },
      },
      async run({ sql, query }) {
        const [{ since, ...progress }, rows] = [
          await audit.progress(sql),
          await audit.findings(sql, query),
        ];
        const findings = rows.map(({ kind, issuer, subject, found_at }) => ({
          kind,
          issuer,
          subject,
          foundAt: found_at.toISOString(),
        }));
        const last = rows.length === query.limit ? rows[rows.length - 1] : undefined;
        const next = last && `${last.micros}-${last.kind}-${last.issuer}-${last.subject}`;
        return {
          status: 200,
          body: {
            ...progress,
            ...(since === null ? {} : { waitingSince: since.toISOString() }),
            findings,
            ...(next ? { next } : {}),
          },
        };
      },
    }),
    route({
      method: "get",
      path: "/v1/audit/quotas",
      summary:
        "What issuers drew in a month, and what they issued according to the opened documents",
      tag,
      roles: ["bureau"],
      query: z.object({
        period: period.describe("As 2026-11"),
        after: z.coerce
          .number()
          .int()
          .min(0)
          .default(0)
          .describe("Index of the last issuer of the page before"),
        limit: z.coerce.number().int().min(1).max(100).default(50),
      }),
      answers: {
        200: {
          description: "A page, by index",
          schema: z.object({
            items: z.array(
              z.object({
                issuer: z.number().int(),
                taxId: z.string().optional(),
                name: z.string().optional(),
                currency: z.string().optional(),
                granted: z.string(),
                drawn: z.string(),
                issued: amounts,
              }),
            ),
            next: z.number().int().optional(),
          }),
        },
      },
      async run({ sql, query }) {
        const items = await audit.quotas(sql, query.period, query.after, query.limit);
        const next = items.length === query.limit ? items[items.length - 1]?.issuer : undefined;
        return { status: 200, body: { items, ...(next === undefined ? {} : { next }) } };
      },
    }),
  ] as const;
}
