/**
 * HTTP shape of papers: QR codes and archive packs. The PDF is a form of `GET
 * /v1/invoices/{number}`.
 */

import { numberSchema } from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import { momentNow, type Tx } from "../db/db.ts";
import { packArchive } from "../drawing/archive.ts";
import { qrPng, qrSvg } from "../drawing/qr-image.ts";
import type { Grants } from "../features/invoices/grants.ts";
import type { InvoiceRow, Invoices } from "../features/invoices/invoices.ts";
import type { Papers } from "../features/proof/papers.ts";
import type { Claims } from "../features/use/claims.ts";
import type { External, Registered } from "../features/use/external.ts";
import { type Caller, roles, routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();
const tag = "Papers";
const zip = "application/zip";
const headersOf = (name: string) => ({
  "Content-Type": zip,
  "Content-Disposition": `attachment; filename="${name}.zip"`,
});

type Deps = {
  papers: Papers;
  invoices: Invoices;
  claims: Claims;
  external: External;
  grants: Grants;
};

export function paperRoutes({ papers, invoices, claims, external, grants }: Deps) {
  /**
   * The pack of these invoices. Their rows are read before the first byte goes out; a later fault
   * cuts the answer short.
   */
  async function pack(
    sql: Tx,
    caller: Caller,
    rows: readonly InvoiceRow[],
    elsewhere: readonly Registered[] = [],
  ): Promise<AsyncIterable<Uint8Array>> {
    const made = await momentNow(sql);
    async function* files() {
      for (const row of rows) yield* papers.files(sql, caller, row, made);
      for (const registered of elsewhere)
        yield* papers.filesElsewhere(sql, caller, registered, made);
    }
    return packArchive(files(), made);
  }

  return [
    route({
      method: "get",
      path: "/v1/invoices/{number}/qr",
      summary: "The invoice's QR code",
      description:
        "A link to the verify page, with the text of a 数电票 behind its #. For the issuer of an untitled invoice that waits for its pickup, the secret is in it. `signed=1` gives a code with a proof instead: issuer, date and total can then be checked without a gateway.",
      tag,
      roles,
      params: z.object({ number: numberSchema }),
      query: z.object({ signed: z.enum(["0", "1"]).default("0") }),
      produces: ["image/svg+xml", "image/png"],
      answers: { 200: { description: "The picture" } },
      problems: ["not-found", "invoice-not-sealed"],
      async run({ sql, caller, params, query, accept }) {
        const invoice = await grants.readable(sql, caller, params.number);
        const text =
          query.signed === "1"
            ? await papers.signedQr(sql, invoice)
            : await papers.qr(sql, caller, invoice);
        await grants.logReads(sql, caller, [invoice.number], "qr");
        const headers = { "Content-Type": accept, Vary: "Accept" };
        return {
          status: 200,
          body: accept === "image/png" ? await qrPng(text) : await qrSvg(text),
          headers,
        };
      },
    }),
    route({
      method: "get",
      path: "/v1/invoices/{number}/archive",
      summary: "The archive pack of an invoice",
      description:
        "A ZIP with the PDF, the XML formats that can express the document, the original, the sealed document, its bundle, what has happened to it, and a manifest with the SHA-256 of each file.",
      tag,
      roles: ["issuer", "holder", "employer"],
      params: z.object({ number: numberSchema }),
      produces: [zip],
      answers: { 200: { description: "The pack" } },
      problems: ["not-found"],
      async run({ sql, caller, params }) {
        const invoice = await invoices.visible(sql, caller, params.number);
        await grants.logReads(sql, caller, [invoice.number], "archive");
        return {
          status: 200,
          body: await pack(sql, caller, [invoice]),
          headers: headersOf(invoice.number),
        };
      },
    }),
    route({
      method: "get",
      path: "/v1/claims/{id}/archive",
      summary: "The archive pack of a claim's invoices",
      description:
        "As for one invoice, each in its own folder; for an invoice that was issued elsewhere, its original and what is known about it. It is made while it is sent.",
      tag,
      roles: ["holder", "employer"],
      params: z.object({ id: z.uuid() }),
      produces: [zip],
      answers: { 200: { description: "The pack" } },
      problems: ["not-found"],
      async run({ sql, caller, params }) {
        const claim = await claims.get(sql, caller, params.id);
        const rows: InvoiceRow[] = [];
        const elsewhere: Registered[] = [];
        for (const { number, id } of claim.invoices) {
          if (id === undefined) rows.push(await invoices.visible(sql, caller, number));
          else elsewhere.push(await external.ofClaim(sql, caller, claim.id));
        }
        await grants.logReads(
          sql,
          caller,
          rows.map((row) => row.number),
          "archive",
        );
        return {
          status: 200,
          body: await pack(sql, caller, rows, elsewhere),
          headers: headersOf(`claim-${claim.id}`),
        };
      },
    }),
  ] as const;
}
