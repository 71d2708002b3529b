/** Who may read, who has read, and documents that a reader decrypts without the gateway. */

import { contentHash } from "@onepiao/protocol/proofs/disclosing.ts";
import { expect } from "chai";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import {
  documentId,
  openLot,
  openSealed,
  type SealedLot,
} from "../../server/features/invoices/documents.ts";
import { unwrapWith } from "../../server/features/parties/encryption.ts";
import {
  call,
  issued,
  type Loose,
  must,
  person,
  type Reply,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { database, refused, until } from "./observe.ts";

const sealedType = "application/vnd.onepiao.sealed+json";

describe("grants and reads", () => {
  let shop: TestParty;
  let firm: TestParty;
  let other: TestParty;
  let ann: { account: string; token: string };
  let bob: { account: string; token: string };
  const get = (
    path: string,
    by: { token: string },
    headers?: Record<string, string>,
  ): Promise<Reply> =>
    call("GET", path, undefined, { token: by.token, ...(headers ? { headers } : {}) });
  const give = (
    number: string,
    by: { token: string },
    to: { account: string },
    until?: string,
  ): Promise<Reply> =>
    call(
      "POST",
      `/v1/invoices/${number}/grants`,
      { to: to.account, ...(until ? { until } : {}) },
      { token: by.token },
    );
  const fresh = () => issued(shop, firm, { holder: ann.account });
  const status = async (number: string, by: { token: string }) =>
    (await get(`/v1/invoices/${number}`, by)).status;

  before(async () => {
    [shop, firm, other] = await Promise.all([
      taxpayer("茶餐厅", ["issuer"]),
      taxpayer("精密制造", ["employer"]),
      taxpayer("审计事务所", ["employer"]),
    ]);
    [ann, bob] = [await person(firm, "李晓明"), await person(firm, "王芳")];
  });

  it("the holder lets an auditor read document, XML and bundle, but no history, and no acts; withdrawal ends it", async () => {
    const number = await fresh();
    expect(await status(number, other)).equals(404);
    const made = await give(number, ann, other);
    expect([made.status, made.body.to, made.body.by]).deep.equals([
      201,
      other.account,
      ann.account,
    ]);
    const read = await get(`/v1/invoices/${number}`, other);
    expect([read.status, read.body.document.totals.gross]).deep.equals([200, "200.00"]);
    expect(
      (
        await get(`/v1/invoices/${number}`, other, {
          accept: "application/vnd.onepiao.shudian+xml",
        })
      ).status,
    ).equals(200);
    expect((await get(`/v1/invoices/${number}/bundle`, other)).status).equals(200);
    for (const path of ["history", "grants", "reads"])
      refused(await get(`/v1/invoices/${number}/${path}`, other), "not-found");
    refused(
      await call(
        "POST",
        "/v1/claims",
        { employer: other.taxId, invoices: [number] },
        { token: other.token },
      ),
      "not-found",
    );
    refused(await give(number, other, bob), "not-found");
    expect(
      (await get("/v1/invoices?as=grantee", other)).body.items.map(
        (invoice: Loose) => invoice.number,
      ),
    ).includes(number);
    // a repeated grant gets a truthful answer; only its grantor can withdraw it
    expect(refused(await give(number, ann, other), "grant-exists")["original"]).deep.equals({
      grant: made.body.id,
      state: "given",
    });
    expect(
      (
        await call("DELETE", `/v1/invoices/${number}/grants/${made.body.id}`, undefined, {
          token: other.token,
        })
      ).status,
    ).equals(404);
    for (const _ of [1, 2])
      expect(
        (
          await call("DELETE", `/v1/invoices/${number}/grants/${made.body.id}`, undefined, {
            token: ann.token,
          })
        ).status,
      ).equals(204);
    expect(await status(number, other)).equals(404);
    expect(
      (await get("/v1/invoices?as=grantee", other)).body.items.map(
        (invoice: Loose) => invoice.number,
      ),
    ).not.includes(number);
    expect((await give(number, ann, other)).status).equals(201);
    expect(await status(number, other)).equals(200);
  });

  it("a grant ends at its time", async () => {
    const number = await fresh();
    refused(
      await give(number, ann, other, new Date(Date.now() - 1_000).toISOString()),
      "invalid-request",
      { field: "/until", rule: "in-future" },
    );
    await must(give(number, ann, other, new Date(Date.now() + 3_600_000).toISOString()));
    expect(await status(number, other)).equals(200);
    await (await database())`update grants set until = now() - interval '1 second' where number = ${number}`;
    expect(await status(number, other)).equals(404);
    expect((await give(number, ann, other)).status, "and can be given again").equals(201);
  });

  it("a transfer gives the new holder the document, and ends the access of the old holder and of its grantees", async () => {
    const number = await issued(shop, { name: "个人" }, { holder: ann.account });
    await must(give(number, ann, other));
    const { id } = await must(
      call("POST", `/v1/invoices/${number}/transfers`, { to: bob.account }, { token: ann.token }),
    );
    await must(call("POST", `/v1/transfers/${id}/accept`, undefined, { token: bob.token }));
    expect([
      await status(number, bob),
      await status(number, ann),
      await status(number, other),
    ]).deep.equals([200, 404, 404]);
    expect((await get(`/v1/invoices/${number}/grants`, bob)).body).deep.equals({
      parties: [
        { account: shop.account, as: "issuer" },
        { account: bob.account, as: "holder" },
      ],
      items: [],
    });
  });

  it("the employer grants as well; issuer and strangers do not, and no grant goes to its grantor or to an unknown account", async () => {
    const number = await fresh();
    expect((await give(number, firm, other)).status).equals(201);
    refused(await give(number, shop, other), "forbidden");
    refused(await give(number, other, bob), "not-found");
    refused(await give(number, ann, ann), "receiver-invalid", {
      field: "/to",
      rule: "known-account",
    });
    refused(await give(number, ann, { account: `0x${"12".repeat(20)}` }), "receiver-invalid", {
      field: "/to",
      rule: "known-account",
    });
    refused(await get(`/v1/invoices/${number}/grants`, shop), "forbidden");
  });

  it("the log has every read with its form before the answer; the issuer sees itself and the bureau", async () => {
    const number = await fresh();
    const { bureau } = await sandbox();
    // the bureau's auditor reads it as well, at a time of its own
    await until("the auditor has read it", async () =>
      (await must(get(`/v1/invoices/${number}/reads`, ann))).items.some(
        ({ account, form }: Loose) => account === bureau.account && form === "audit",
      ),
    );
    await must(get(`/v1/invoices/${number}`, ann));
    await must(get(`/v1/invoices/${number}`, ann));
    await must(get(`/v1/invoices/${number}/bundle`, firm));
    await must(get(`/v1/invoices/${number}`, shop));
    await must(
      get(`/v1/invoices/${number}`, bureau, { accept: "application/vnd.onepiao.ubl+xml" }),
    );
    const seen = async (by: { token: string }) =>
      (await must(get(`/v1/invoices/${number}/reads`, by))).items
        .map(({ account, form, times }: Loose) => `${account} ${form} ${times}`)
        .sort();
    const [a, f, s, b] = [ann, firm, shop, bureau].map((party) => party.account) as [
      string,
      string,
      string,
      string,
    ];
    const all = [
      `${a} json 2`,
      `${f} bundle 1`,
      `${s} json 1`,
      `${b} audit 1`,
      `${b} ubl 1`,
    ].sort();
    expect(await seen(ann)).deep.equals(all);
    expect(await seen(firm)).deep.equals(all);
    expect(await seen(bureau)).deep.equals(all);
    expect(await seen(shop)).deep.equals([`${s} json 1`, `${b} audit 1`, `${b} ubl 1`].sort());
    // a refused request is not a read
    refused(await get(`/v1/invoices/${number}`, other), "not-found");
    expect(await seen(ann)).deep.equals(all);
    await must(get("/v1/invoices?as=holder", ann));
    expect(await seen(ann)).includes(`${a} list 1`);
  });

  it("a party with its own encryption key decrypts the document, and nobody else can", async () => {
    const number = await fresh();
    const pair = await generateKeyPair("ECDH-ES+A256KW", { crv: "X25519", extractable: true });
    const path = `/v1/invoices/${number}`;
    refused(await get(path, firm, { accept: sealedType }), "encryption-key-missing");
    const { kid } = await must(
      call("PUT", "/v1/encryption-key", await exportJWK(pair.publicKey), { token: firm.token }),
    );
    expect((await get("/v1/encryption-key", firm)).body.kid).equals(kid);
    const { body } = await get(path, firm, { accept: sealedType });
    const { key, opens } = await unwrapWith((await exportJWK(pair.privateKey)) as JWK, body.key);
    const { deployment } = await sandbox();
    expect(opens).equals(documentId(deployment, number));
    expect(body.document.aad).equals(
      `eip155:${deployment.chainId}/${deployment.ledger.toLowerCase()}/${number}`,
    );
    const { document } = (await get(path, ann)).body;
    expect(JSON.parse(openSealed(key, body.document).toString())).deep.equals(document);
    const [stored] = await (await database())<
      { content: string }[]
    >`select content from invoices where number = ${number}`;
    expect(contentHash(Buffer.from(body.salt.slice(2), "hex"), document)).equals(stored?.content);
    // another party's private key, another place, another byte
    const stranger = await generateKeyPair("ECDH-ES+A256KW", { crv: "X25519", extractable: true });
    expect(
      await unwrapWith((await exportJWK(stranger.privateKey)) as JWK, body.key).catch(
        () => "refused",
      ),
    ).equals("refused");
    expect(() =>
      openSealed(key, { ...body.document, aad: documentId(deployment, `${BigInt(number) + 1n}`) }),
    ).throws();
    expect(() =>
      openSealed(key, { ...body.document, tag: Buffer.alloc(16).toString("base64url") }),
    ).throws();
  });

  it("a P-256 key works as well; a private one, a point off the curve and other kinds are refused", async () => {
    const pair = await generateKeyPair("ECDH-ES+A256KW", { crv: "P-256", extractable: true });
    const jwk = await exportJWK(pair.publicKey);
    await must(call("PUT", "/v1/encryption-key", jwk, { token: other.token }));
    const off = Buffer.from(jwk.y as string, "base64url");
    off[31] = (off[31] as number) ^ 1;
    const wrong = [
      { ...jwk, y: off.toString("base64url") },
      { ...jwk, crv: "X25519" },
      { kty: "EC", crv: "P-256", x: jwk.x },
      { ...jwk, d: "AAAA" },
    ];
    for (const key of wrong)
      refused(
        await call("PUT", "/v1/encryption-key", key, { token: other.token }),
        "invalid-request",
      );
  });

  it("an issuer decrypts a lot with one key: every document under it gives its leaf", async () => {
    const number = await fresh();
    const pair = await generateKeyPair("ECDH-ES+A256KW", { crv: "X25519", extractable: true });
    await must(
      call("PUT", "/v1/encryption-key", await exportJWK(pair.publicKey), { token: shop.token }),
    );
    const { lot: first } = (await get(`/v1/invoices/${number}`, shop)).body;
    const lot = (await must(get(`/v1/lots/${first}`, shop))) as SealedLot;
    const { key } = await unwrapWith((await exportJWK(pair.privateKey)) as JWK, lot.key);
    const opened = openLot(key, lot.documents);
    expect(opened.size).equals(lot.count);
    const sql = await database();
    for (const [each, { salt, text }] of opened) {
      const [stored] = await sql<
        { content: string }[]
      >`select content from invoices where number = ${each}`;
      expect(contentHash(salt, JSON.parse(text))).equals(stored?.content);
    }
    expect(() => openLot(Buffer.alloc(32, 1), lot.documents)).throws();
    refused(await get(`/v1/lots/${first}`, await taxpayer("别家", ["issuer"])), "not-found");
    refused(await get(`/v1/lots/${first}`, ann), "forbidden");
  });
});
