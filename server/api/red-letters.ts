/** HTTP shape of red letters, and of void-and-replace. */

import {
  type InvoiceDocument,
  invoiceDocument,
  invoiceRequest,
} from "@onepiao/protocol/formats/document.ts";
import { mediaTypes } from "@onepiao/protocol/formats/formats.ts";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { amountsOf, moneyOf, type Wish } from "@onepiao/protocol/formats/red-letter.ts";
import { decimalPattern, moneyPattern } from "@onepiao/protocol/values/money.ts";
import { catalogue, Problem } from "@onepiao/protocol/values/problems.ts";
import {
  accountSchema,
  amountsSchema,
  numberSchema,
  operationRefSchema,
  reasonQuery,
  reasonSchema,
} from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import type { Grants } from "../features/invoices/grants.ts";
import type { Invoices } from "../features/invoices/invoices.ts";
import type { Issuing } from "../features/invoices/issuing.ts";
import type { RedLetters } from "../features/invoices/red-letters.ts";
import {
  redLetterLink,
  type Sheet,
  type SheetStatus,
  sheetStatuses,
} from "../features/invoices/sheets.ts";
import { operationLink } from "../features/out/operations.ts";
import type { Taxpayers } from "../features/parties/taxpayers.ts";
import { type Answer, type Caller, type Route, roles, routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();
const tag = "Red letters";

const statusSchema = z.enum(Object.keys(sheetStatuses) as [SheetStatus, ...SheetStatus[]]).describe(
  Object.entries(sheetStatuses)
    .map(([code, words]) => `${code} ${words}`)
    .join("; "),
);
const party = z.object({ taxId: z.string(), name: z.string() });
const summary = z
  .object({
    id: z.uuid(),
    invoice: numberSchema.describe("The invoice that is taken back"),
    status: statusSchema,
    openedBy: z.enum(["issuer", "employer"]),
    reason: reasonSchema.optional(),
    employer: party.optional().describe("Whose consent is needed, or would be"),
    totals: amountsSchema.describe("Negative"),
    number: numberSchema
      .optional()
      .describe("Number of the red letter, once the chain has its act"),
    replacement: numberSchema
      .optional()
      .describe("Number of the invoice that takes the original's place"),
    operation: operationRefSchema.optional().describe("The act, once it is agreed"),
    problem: z
      .object({ code: z.string(), detail: z.string() })
      .optional()
      .describe("Why it is stuck"),
    confirmBy: z.iso.datetime().optional(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
    links: z.object({ self: z.string(), invoice: z.string() }),
  })
  .meta({ id: "RedLetterSummary" });
const schema = summary
  .extend({
    document: invoiceDocument
      .optional()
      .describe("What the red letter will say; once it has its number, read the invoice"),
    ref: z
      .string()
      .optional()
      .describe("What its act is signed with: the content hash of the document under the salt"),
    salt: z.string().optional(),
  })
  .meta({ id: "RedLetter" });

const linePart = z.strictObject({
  line: z.number().int().min(1).max(2000).describe("Position on the invoice, from 1"),
  quantity: z.string().regex(decimalPattern).optional(),
  amount: z.string().regex(moneyPattern).optional().describe("Without tax"),
});
const request = z
  .strictObject({
    reason: reasonSchema,
    whole: z.literal(true).optional().describe("All that is left"),
    lines: z
      .array(linePart)
      .min(1)
      .max(2000)
      .optional()
      .describe("Parts of lines: a quantity, an amount, or the whole line"),
    gross: z
      .string()
      .regex(moneyPattern)
      .optional()
      .describe("This amount with tax, for an invoice with one rate"),
    document: z.unknown().optional().describe("The red letter itself, as for POST /v1/invoices"),
  })
  .refine(
    ({ whole, lines, gross, document }) =>
      [whole, lines, gross, document].filter((wish) => wish !== undefined).length === 1,
    "one-of: say whole, lines, gross or document",
  )
  .refine(
    ({ lines }) => !lines?.some((part) => part.quantity !== undefined && part.amount !== undefined),
    "one-of: of a line a quantity or an amount",
  );
const idParam = z.object({ id: z.uuid() });
const numberParam = z.object({ number: numberSchema });

const openProblems = [
  "not-found",
  "forbidden",
  "red-letter-refused",
  "red-letter-open",
  "invoice-busy",
  "invoice-not-sealed",
  "issuer-not-active",
  "duplicate-source",
] as const;
const actProblems = [
  "wrong-state",
  "stale-version",
  "consent-invalid",
  "signature-expired",
  "version-exhausted",
] as const;

/** The red letter's document inside a body; it need not name the invoice that the path names. */
function documentOf(member: unknown, number: string): InvoiceDocument {
  const whole =
    typeof member === "object" && member !== null && !("reverses" in member)
      ? { ...member, reverses: { number } }
      : member;
  const { document } = readInvoice("application/json", Buffer.from(JSON.stringify(whole)));
  if (document.reverses?.number === number) return document;
  const detail = "The document takes back another invoice";
  throw new Problem("red-letter-refused", detail, {
    violations: [{ field: "/document/reverses", rule: "reverses-this", detail }],
  });
}

type Deps = {
  redLetters: RedLetters;
  issuing: Issuing;
  invoices: Invoices;
  grants: Grants;
  taxpayers: Taxpayers;
};

export function redLetterRoutes({ redLetters, issuing, invoices, grants, taxpayers }: Deps) {
  async function summaryOf(tx: Tx, sheet: Sheet) {
    const operation = await redLetters.operationOf(tx, sheet);
    const employer = sheet.employer === 0 ? undefined : await taxpayers.byIndex(tx, sheet.employer);
    const failed =
      !sheet.acted && (operation?.status === "refused" || operation?.status === "failed")
        ? operation.problem
        : undefined;
    const due =
      sheet.problem === null
        ? undefined
        : { code: sheet.problem, detail: catalogue[sheet.problem].title };
    const problem = sheet.number === null ? (due ?? failed ?? undefined) : undefined;
    return {
      id: sheet.id,
      invoice: sheet.invoice,
      status: sheet.status,
      openedBy: sheet.by_issuer ? ("issuer" as const) : ("employer" as const),
      ...(sheet.reason === undefined ? {} : { reason: sheet.reason }),
      ...(employer ? { employer: { taxId: employer.taxId, name: employer.name } } : {}),
      totals: moneyOf(amountsOf(sheet.document)),
      ...(sheet.number === null ? {} : { number: sheet.number }),
      ...(sheet.replacement === null ? {} : { replacement: sheet.replacement }),
      ...(operation ? { operation: { id: operation.id, href: operationLink(operation.id) } } : {}),
      ...(problem ? { problem: { code: problem.code, detail: problem.detail } } : {}),
      ...(sheet.confirm_by ? { confirmBy: sheet.confirm_by.toISOString() } : {}),
      createdAt: sheet.created_at.toISOString(),
      updatedAt: sheet.updated_at.toISOString(),
      links: { self: redLetterLink(sheet.id), invoice: `/v1/invoices/${sheet.invoice}` },
    };
  }

  /**
   * With its document, as long as that can be had nowhere else: it is then read here, and logged as
   * a read of the invoice.
   */
  async function view(tx: Tx, caller: Caller, sheet: Sheet) {
    if (sheet.number === null) await grants.logReads(tx, caller, [sheet.invoice], "json");
    const open =
      sheet.number === null
        ? { document: sheet.document, ref: sheet.ref, salt: `0x${sheet.salt}` }
        : {};
    return { ...(await summaryOf(tx, sheet)), ...open };
  }

  const taken = async (tx: Tx, caller: Caller, sheet: Sheet): Promise<Answer> => ({
    status: 202,
    body: await view(tx, caller, sheet),
    headers: { Location: redLetterLink(sheet.id) },
  });

  /**
   * The sheet once its red letter is sealed, or as soon as it waits for a side or is void. Throws
   * the refusal of its act.
   */
  const settled = (status: number) => async (tx: Tx, answer: Answer, caller: Caller) => {
    const sheet = await redLetters.outcome(tx, (answer.body as { id: string }).id);
    if (sheet === "under way") return undefined;
    if (sheet.number === null) return { ...answer, body: await view(tx, caller, sheet) };
    const numbers = [sheet.number, ...(sheet.replacement === null ? [] : [sheet.replacement])];
    const sealed = await Promise.all(numbers.map((number) => invoices.find(tx, number)));
    return sealed.every((invoice) => invoice !== undefined && invoice.status !== "accepted")
      ? { ...answer, status, body: await view(tx, caller, sheet) }
      : undefined;
  };

  const stands = { 200: { description: "As it stands now", schema } };
  const decision = <W extends "consent" | "refuse" | "withdraw", A extends Route["answers"]>(
    word: W,
    answers: A,
    text: string,
    description: string,
  ) =>
    route({
      method: "post",
      path: `/v1/red-letters/{id}/${word}`,
      summary: text,
      description,
      tag,
      roles: ["issuer", "employer"],
      params: idParam,
      answers,
      problems: [
        "not-found",
        "forbidden",
        "red-letter-state",
        "invoice-busy",
        ...(word === "consent" ? (["red-letter-refused", ...actProblems] as const) : []),
      ],
      async run({ sql, caller, params }) {
        await redLetters[word](sql, caller, params.id);
        const { sheet } = await redLetters.visible(sql, caller, params.id);
        return word === "consent"
          ? taken(sql, caller, sheet)
          : { status: 200, body: await view(sql, caller, sheet) };
      },
      ...(word === "consent" ? { settled: settled(200) } : {}),
    });

  return [
    route({
      method: "post",
      path: "/v1/invoices/{number}/red-letters",
      summary: "Take an invoice back, whole or in part",
      description:
        "By its issuer or its employer. While the invoice is unused the issuer acts alone (01); otherwise the other side is asked, and has 72 hours (02, 03). Once both agree the act goes to the chain, and then the red letter is issued. 201: it is sealed.",
      tag,
      roles: ["issuer", "employer"],
      params: numberParam,
      body: request,
      answers: {
        201: { description: "The red letter is sealed", schema },
        202: { description: "Opened", schema },
      },
      problems: [...openProblems, ...actProblems, "invalid-document"],
      async run({ sql, caller, params, body }) {
        const { reason, lines, gross } = body;
        const wish: Wish = lines ? { lines } : gross !== undefined ? { gross } : { whole: true };
        const document =
          body.document === undefined ? undefined : documentOf(body.document, params.number);
        return taken(
          sql,
          caller,
          await redLetters.request(sql, caller, params.number, { reason, wish, document }),
        );
      },
      settled: settled(201),
    }),
    route({
      method: "post",
      path: "/v1/invoices/{number}/replace",
      summary: "Void an invoice and issue another in its place",
      description:
        "作废重开: a red letter over all that is left, and the invoice in the body, which gets its number in the same transaction as the red letter. If consent is needed, both wait for it.",
      tag,
      roles: ["issuer"],
      params: numberParam,
      query: z.object({
        holder: accountSchema.optional().describe("First holder; for XML, which cannot say it"),
        reason: reasonQuery.optional().describe("Default 1: issue error"),
      }),
      rawBody: { mediaTypes, schema: invoiceRequest },
      answers: {
        201: { description: "Both are sealed", schema },
        202: { description: "Opened", schema },
      },
      problems: [
        ...openProblems,
        ...actProblems,
        "malformed-document",
        "forbidden-markup",
        "invalid-document",
        "seller-not-caller",
        "buyer-not-enrolled",
        "name-not-enrolled",
        "currency-not-accounted",
      ],
      async run({ sql, caller, params, body, mediaType, query }) {
        const read = readInvoice(mediaType, body);
        if (query.holder !== undefined && read.holder !== undefined)
          throw new Problem(
            "invalid-request",
            "The holder is named twice, in the query and in the body",
          );
        const row = await invoices.visible(sql, caller, params.number);
        const sheet = await issuing.replace(sql, row, {
          caller,
          read,
          holder: query.holder ?? read.holder,
          reason: query.reason ?? 1,
        });
        return taken(sql, caller, sheet);
      },
      settled: settled(201),
    }),
    route({
      method: "get",
      path: "/v1/invoices/{number}/red-letters",
      summary: "The red letters of an invoice, newest first",
      tag,
      roles,
      params: numberParam,
      answers: {
        200: {
          description: "All, including void ones (100 at most)",
          schema: z.object({ items: z.array(summary) }),
        },
      },
      problems: ["not-found"],
      async run({ sql, caller, params }) {
        await invoices.visible(sql, caller, params.number);
        const sheets = await redLetters.ofInvoice(sql, params.number, 100);
        return {
          status: 200,
          body: { items: await Promise.all(sheets.map((sheet) => summaryOf(sql, sheet))) },
        };
      },
    }),
    route({
      method: "get",
      path: "/v1/red-letters",
      summary: "The caller's red letters, newest first",
      description:
        "With as=employer&status=02: the red letters that wait for the caller's consent.",
      tag,
      roles: ["issuer", "employer", "bureau"],
      query: z.object({
        as: z.enum(["issuer", "employer"]).optional().describe("Default: the key's first role"),
        status: statusSchema.optional(),
        before: z.uuid().optional().describe("`next` of the page before"),
        limit: z.coerce.number().int().min(1).max(100).default(20),
      }),
      answers: {
        200: {
          description:
            "A page, which may have fewer than `limit`, and `next` while there may be more",
          schema: z.object({ items: z.array(summary), next: z.uuid().optional() }),
        },
      },
      async run({ sql, caller, query }) {
        const as =
          query.as ??
          (caller.roles.includes("bureau")
            ? undefined
            : (["issuer", "employer"] as const).find((role) => caller.roles.includes(role)));
        if (as !== undefined && !caller.roles.includes(as))
          throw new Problem("forbidden", `This API key does not have the ${as} role`);
        const { sheets, next } = await redLetters.list(sql, caller, { ...query, as });
        const items = await Promise.all(sheets.map((sheet) => summaryOf(sql, sheet)));
        return { status: 200, body: { items, ...(next === undefined ? {} : { next }) } };
      },
    }),
    route({
      method: "get",
      path: "/v1/red-letters/{id}",
      summary: "One red letter",
      tag,
      roles,
      params: idParam,
      answers: { 200: { description: "The red letter", schema } },
      problems: ["not-found"],
      run: async ({ sql, caller, params }) => ({
        status: 200,
        body: await view(sql, caller, (await redLetters.visible(sql, caller, params.id)).sheet),
      }),
    }),
    decision(
      "consent",
      { ...stands, 202: { description: "Taken up", schema } },
      "Agree to a red letter",
      "By the side that it waits for; or by either side to try again, if its act was refused or not signed in time. 200: the red letter is sealed.",
    ),
    decision("refuse", stands, "Refuse a red letter", "By the side that it waits for."),
    decision(
      "withdraw",
      stands,
      "Take a red letter back",
      "By the side that opened it, as long as its act has not gone out.",
    ),
  ] as const;
}
