/** HTTP shape of verification. Anyone may ask. */

import { formatNames, syntaxes, writtenTypes } from "@onepiao/protocol/formats/formats.ts";
import { codeKinds, type NationalCode } from "@onepiao/protocol/formats/national-code.ts";
import { bundleSchema } from "@onepiao/protocol/proofs/bundle.ts";
import {
  bundleResults,
  invoiceStates,
  isWorthShowing,
  verdictSteps,
} from "@onepiao/protocol/proofs/verdict.ts";
import { normaliseMoney } from "@onepiao/protocol/values/money.ts";
import { numberSchema } from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import type { Checks } from "../features/proof/checker.ts";
import {
  type Asked,
  type CheckedPrint,
  type Printed,
  type PrintedResult,
  printedResults,
  type Verification,
} from "../features/proof/verification.ts";
import { type Answer, routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();
const tag = "Verification";

/**
 * As people type it and as it is printed: 200, 200.00, ¥1,130.00, and the day with or without
 * dashes.
 */
const total = z
  .string()
  .max(30)
  .regex(/^[¥￥]?\s*-?(?:\d{1,13}|\d{1,3}(?:,\d{3}){1,4})(?:\.\d{1,2})?$/, "money-format")
  .transform((text, context) => {
    const amount = normaliseMoney(text.replaceAll(/[¥￥,\s]/g, ""));
    if (amount === undefined) context.addIssue({ code: "custom", message: "money-format" });
    return amount ?? "";
  });
const date = z
  .string()
  .regex(/^\d{4}(-?)\d{2}\1\d{2}$/, "date-format")
  .transform((text) => text.replace(/^(\d{4})-?(\d{2})-?(\d{2})$/, "$1-$2-$3"))
  .refine((text) => new Date(`${text}T00:00:00Z`).toJSON()?.slice(0, 10) === text, "date-format");

const asOf = z
  .object({ block: z.number().int(), time: z.iso.datetime() })
  .describe("The chain's last final block at that time: later events are not in it");
const statement = z.object({ code: z.string(), detail: z.string() });
const printedSchema = z
  .object({
    result: z.enum(printedResults),
    number: numberSchema.optional().describe("Absent if a file states no number of 20 digits"),
    says: z
      .object({
        format: z.enum(formatNames),
        number: z.string().optional().describe("Under which it was issued"),
        seller: z.object({ taxId: z.string().optional(), name: z.string() }),
        date: z.string(),
        currency: z.string(),
        total: z.string(),
      })
      .optional()
      .describe("What a file says of itself, whether or not it is true"),
    code: z
      .object({
        kind: z
          .enum(codeKinds)
          .describe("A national number; an older invoice; a fiscal bill; a link of a tax office"),
        title: z.string().optional().describe("What the invoice is called"),
        number: z.string().optional(),
        code: z.string().optional(),
        date: z.string().optional(),
        total: z.string().optional(),
        net: z.string().optional().describe("The amount without tax, which older codes print"),
      })
      .optional()
      .describe("What a QR code of the national platforms says, whether or not it is true"),
    registered: z
      .boolean()
      .optional()
      .describe(
        "Of an invoice that was issued elsewhere: whether anybody in this network has claimed or reimbursed it. Not who",
      ),
    askAt: z.url().optional().describe("Where to ask about an invoice that was issued elsewhere"),
    state: z.enum(invoiceStates).optional(),
    detail: z.string(),
    proven: z.array(statement),
    notProven: z.array(statement),
    asOf,
  })
  .meta({ id: "VerifiedByPrint" });
const bundleVerdictSchema = z
  .object({
    result: z.enum(bundleResults),
    number: numberSchema.optional(),
    state: z.enum(invoiceStates).optional(),
    steps: z.array(
      z.object({
        step: z.enum(verdictSteps),
        outcome: z.enum(["ok", "failed", "not-checked"]),
        detail: z.string(),
      }),
    ),
    contradictions: z
      .array(
        z.object({
          step: z.enum(["parties", "document"]),
          field: z.string(),
          rule: z.string(),
          detail: z.string(),
        }),
      )
      .describe("How it contradicts itself, its lot, its leaf or its parties; at most 20"),
    proven: z.array(statement).describe("What the checks prove"),
    notProven: z
      .array(statement)
      .describe("What was not checked, failed, or cannot be proven this way"),
    shown: z
      .record(z.string(), z.unknown())
      .optional()
      .describe(
        "The parts that the bundle shows, if they are those that were sealed and do not contradict: compare them with the print",
      ),
    asOf: asOf.optional(),
  })
  .meta({ id: "VerifiedBundle" });

const details: Record<PrintedResult, string> = {
  valid: "There is such an invoice, sealed on the chain",
  adjusted:
    "There is such an invoice, and part of it was taken back by red letters: less than its total counts",
  reversed: "There was such an invoice, and it was taken back by a red letter",
  mismatch: "There is an invoice with this number, but not all of the other values are its own",
  "not-found":
    "No invoice of this number is sealed on the chain, nor accepted at this gateway: one that was issued elsewhere is verified there",
  "not-sealed":
    "The invoice is accepted at this gateway, and not sealed on the chain yet: ask again in a moment",
  elsewhere:
    "An invoice of this number is sealed on the chain; its content is at another gateway. Bring its bundle, or a PDF with one, to check it here",
};

function printAnswer(print: CheckedPrint, how: "print" | "xml"): Answer {
  const agrees = ["valid", "adjusted", "reversed"].includes(print.result);
  const checked = how === "print" ? "Number, date and total" : "Everything that the XML says";
  const proven = agrees
    ? [
        { code: "printed", detail: `${checked} are those of the invoice that this gateway has` },
        {
          code: "state",
          detail: `It is ${print.state} as of block ${print.asOf.block}, as this gateway has read the chain`,
        },
      ]
    : [];
  const notProven = [
    {
      code: "gateway",
      detail:
        "Anything without trust in this gateway: it has looked into its own records. A bundle proves itself",
    },
    ...(how === "print"
      ? [
          {
            code: "hidden",
            detail: "Everything else on the invoice: lines, buyer, seller",
          },
        ]
      : []),
    { code: "bearer", detail: "That the person who shows it is its holder" },
  ];
  return {
    status: 200,
    body: { ...print, detail: details[print.result], proven, notProven },
    headers: { "Cache-Control": "no-store" },
  };
}

/** The input, and the work to do with it in the transaction. */
type Input =
  | { by: "bundle"; asked: Asked; pdf: boolean }
  | { by: "print"; printed: Printed }
  | { by: "national"; code: NationalCode }
  | { by: "xml"; print: CheckedPrint };

export function verificationRoutes(verification: Verification, checks: Checks) {
  async function readCode(bytes: Uint8Array): Promise<Input> {
    const read = await checks.run("code", bytes);
    if ("national" in read) return { by: "national", code: read.national };
    const { printed: code, checked } = read;
    const printed = { number: code.number, date: code.date, total: code.gross, kind: code.kind };
    return checked
      ? { by: "bundle", asked: await verification.ask(checked, printed), pdf: false }
      : { by: "print", printed };
  }

  return [
    route({
      method: "get",
      path: "/v1/verify",
      summary: "Verify an invoice by what is printed on it",
      description:
        "Number, date and total. Says whether all three are right and what has happened to the invoice, and nothing else about its content; `mismatch` does not say what is wrong. After ten wrong tries a number is closed for up to 15 minutes.",
      tag,
      roles: "public",
      query: z.object({
        number: numberSchema,
        date: date.describe("YYYY-MM-DD, as printed"),
        total: total.describe("With tax; a red letter's is negative"),
      }),
      answers: { 200: { description: "What was found", schema: printedSchema } },
      problems: ["rate-limited"],
      run: async ({ sql, query }) => printAnswer(await verification.byPrint(sql, query), "print"),
    }),
    route({
      method: "post",
      path: "/v1/verify",
      summary: "Verify an invoice by its bundle, PDF, XML or QR code",
      description:
        "A bundle as JSON; a PDF of ours, by the bundle attached in it; XML of ours, compared with what is here (answered as by GET); the text of a QR code, by the proof in it or by what it says. Of what was issued elsewhere the answer says whether it is registered in this network, and where to ask about it. The media type says which.",
      tag,
      roles: "public",
      body: bundleSchema,
      rawBody: {
        mediaTypes: [
          "application/json",
          "application/pdf",
          ...syntaxes.xml.mediaTypes,
          ...writtenTypes,
          "text/plain",
        ],
        instead:
          "Of an OFD, a ZIP or a picture send the XML that comes with it or is inside, or the text " +
          "of its QR code",
      },
      answers: {
        200: {
          description: "What was found",
          schema: z.union([bundleVerdictSchema, printedSchema]),
        },
      },
      problems: [
        "rate-limited",
        "malformed-document",
        "invalid-document",
        "forbidden-markup",
        "unavailable",
      ],
      async prepare({ body, mediaType }): Promise<Input> {
        const bytes = body as unknown as Uint8Array;
        const bundle = async (by: "bundle" | "pdf"): Promise<Input> => ({
          by: "bundle",
          asked: await verification.ask(await checks.run(by, bytes)),
          pdf: by === "pdf",
        });
        if (mediaType === "application/json") return bundle("bundle");
        if (mediaType === "application/pdf") return bundle("pdf");
        if (mediaType === "text/plain") return readCode(bytes);
        return { by: "xml", print: await verification.byXml(mediaType, bytes) };
      },
      async run({ sql, body }) {
        const input = body as unknown as Input;
        if (input.by === "print")
          return printAnswer(await verification.byPrint(sql, input.printed), "print");
        if (input.by === "national")
          return printAnswer(await verification.byCode(sql, input.code), "print");
        if (input.by === "xml") return printAnswer(input.print, "xml");
        const verdict = await verification.byBundle(sql, input.asked);
        const pages = input.pdf
          ? [
              {
                code: "pages",
                detail:
                  "That the pages of the PDF show what its bundle says: compare them with `shown`",
              },
            ]
          : [];
        const body_ = {
          ...verdict,
          notProven: [...pages, ...verdict.notProven],
          ...(isWorthShowing(verdict) ? { shown: input.asked.checked.shown } : {}),
        };
        return { status: 200, body: body_, headers: { "Cache-Control": "no-store" } };
      },
    }),
  ] as const;
}
