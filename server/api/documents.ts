/**
 * HTTP shape of encrypted documents: a party's encryption key, and a whole lot for a reader that
 * decrypts it.
 */

import { Problem } from "@onepiao/protocol/values/problems.ts";
import { numberSchema, sealedDocumentSchema } from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import type { Documents } from "../features/invoices/documents.ts";
import type { Grants } from "../features/invoices/grants.ts";
import { roles, routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();
const tag = "Documents";

const coordinate = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "coordinate-format");
const jwk = z
  .strictObject({
    kty: z.enum(["OKP", "EC"]),
    crv: z.enum(["X25519", "P-256"]),
    x: coordinate,
    y: coordinate.optional(),
  })
  .meta({ id: "PublicKey", description: "A public JWK (RFC 7517): OKP X25519, or EC P-256" });
const kept = z.object({ kid: z.string().describe("Thumbprint (RFC 7638)"), jwk });
const sealedLot = z
  .object({
    first: numberSchema,
    count: z.number().int(),
    key: z.string(),
    documents: z.array(sealedDocumentSchema),
  })
  .meta({ id: "SealedLot" });

export function documentRoutes(documents: Documents, grants: Grants) {
  return [
    route({
      method: "put",
      path: "/v1/encryption-key",
      summary: "Register the key that the caller's party decrypts documents with",
      description:
        "With it a party reads `GET /v1/invoices/{number}` as application/vnd.onepiao.sealed+json, and an issuer or the bureau whole lots. A new key replaces the one before; what was handed out before still needs the old key. Deposits are encrypted to another key (`GET /v1/deposits/key`), which this leaves as it is. By an API key with every role of its party, or with the role `admin`.",
      tag,
      roles,
      body: jwk,
      answers: { 200: { description: "Registered", schema: z.object({ kid: z.string() }) } },
      problems: ["invalid-request", "forbidden"],
      run: async ({ sql, caller, body }) => ({
        status: 200,
        body: await documents.register(sql, caller, body),
      }),
    }),
    route({
      method: "get",
      path: "/v1/encryption-key",
      summary: "The key that the caller decrypts documents with",
      tag,
      roles,
      answers: { 200: { description: "The key", schema: kept } },
      problems: ["not-found"],
      async run({ sql, caller }) {
        const key = await documents.keyOf(sql, caller.account);
        if (!key) throw new Problem("not-found", "The party has registered no encryption key");
        return { status: 200, body: key };
      },
    }),
    route({
      method: "get",
      path: "/v1/lots/{first}",
      summary:
        "The stored documents of a sealed lot with the lot's key, for its issuer and the bureau",
      tag,
      roles: ["bureau", "issuer"],
      params: z.object({ first: numberSchema }),
      answers: { 200: { description: "The lot", schema: sealedLot } },
      problems: ["not-found", "encryption-key-missing"],
      async run({ sql, caller, params }) {
        const lot = await documents.lotFor(sql, caller, params.first);
        await grants.logReads(
          sql,
          caller,
          lot.documents.map(({ number }) => number),
          "sealed",
        );
        return { status: 200, body: lot };
      },
    }),
  ] as const;
}
