/** Operations over HTTP: the outcome of a request, and parties that sign with their own keys. */
import { expect } from "chai";
import { Signature, SigningKey, TypedDataEncoder, Wallet } from "ethers";
import {
  call,
  invoiceOf,
  issued,
  type Loose,
  must,
  ownKey,
  person,
  type Reply,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { period, quotaOnChain, record, refused, statusOf, until, untilStatus } from "./observe.ts";

type Signer = { signTypedData: Wallet["signTypedData"] };
const SECP256K1 = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

describe("operations over HTTP", () => {
  let shop: TestParty;
  before(async () => {
    shop = await taxpayer("普通店", ["issuer", "employer"]);
  });

  const shown = async (href: string, token: string) =>
    (await call("GET", href, undefined, { token })).body;
  /** The only operation of this kind that waits for the party's signature. */
  const waiting = (kind: string, by: { token: string }): Promise<Loose> =>
    until(`a ${kind} waits for its signature`, async () => {
      const { items } = (
        await call("GET", "/v1/operations?status=awaiting-signature", undefined, {
          token: by.token,
        })
      ).body;
      return items.find((operation: { kind: string }) => operation.kind === kind);
    });
  async function sign(
    operation: { id: string; typedData: Loose },
    by: { token: string },
    wallet: Signer,
  ): Promise<Reply> {
    const { domain, types, message } = operation.typedData;
    const signature = await wallet.signTypedData(domain, types, message);
    return call(
      "POST",
      `/v1/operations/${operation.id}/signatures`,
      { signature },
      { token: by.token },
    );
  }

  it("an issuer with its own key signs its draws and its lots; without its signature nothing is sealed", async () => {
    const wallet = Wallet.createRandom();
    const own = await taxpayer("自管开票公司", ["issuer"], {
      key: { custody: "own", address: wallet.address },
    });
    const firm = await taxpayer("买方", ["employer"]);
    const key = crypto.randomUUID();
    const body = invoiceOf(own, firm);
    const issue = () => call("POST", "/v1/invoices", body, { token: own.token, key, wait: 0 });
    refused(await issue(), "quota-not-drawn");
    const draw = await waiting("draw", own);
    expect(draw.typedData.message).deep.includes({ index: own.index, period: period() });
    expect((await quotaOnChain(own.index, period())).drawn).equals(0n);
    refused(await sign(draw, own, Wallet.createRandom()), "signature-invalid", {
      field: "/signature",
      rule: "signature-by-account-key",
    });
    expect((await sign(draw, own, wallet)).status).equals(200);
    await until(
      "the quota is drawn",
      async () => (await quotaOnChain(own.index, period())).drawn > 0n,
    );

    const accepted = await until("the invoice is accepted", async () => {
      const reply = await issue();
      return reply.status === 202 ? reply : undefined;
    });
    const { number } = accepted.body;
    const seal = await waiting("seal", own);
    expect(seal.typedData.message).deep.includes({ issuer: own.index, first: number, count: 1 });
    expect(await statusOf(number)).equals("accepted");
    // only the party sees the data to sign, and may sign it
    refused(
      await call("GET", `/v1/operations/${seal.id}`, undefined, { token: firm.token }),
      "not-found",
    );
    refused(await sign(seal, firm, wallet), "not-found");
    expect(
      (await shown(`/v1/operations/${seal.id}`, (await sandbox()).bureau.token)).typedData,
    ).equals(undefined);
    expect((await sign(seal, own, wallet)).status).equals(200);
    await untilStatus(number, "issued");
    expect((await shown(`/v1/operations/${seal.id}`, own.token)).status).equals("done");
    // the same key gets the outcome as its answer
    expect(
      (await call("POST", "/v1/invoices", body, { token: own.token, key })).body,
    ).deep.includes({ number, status: "issued" });
  });

  it("an employer with its own key signs its reimbursements and its key's successor", async () => {
    const [first, second] = [Wallet.createRandom(), Wallet.createRandom()];
    const own = await taxpayer("自管雇主", ["employer"], {
      key: { custody: "own", address: first.address },
    });
    const worker = await person(own, "职员");
    const [firstInvoice, nextInvoice] = await Promise.all([
      issued(shop, own, { holder: worker.account }),
      issued(shop, own, { holder: worker.account }),
    ]);
    const claim = async (number: string) =>
      (
        await must(
          call(
            "POST",
            "/v1/claims",
            { employer: own.taxId, invoices: [number] },
            { token: worker.token },
          ),
        )
      ).id;
    const reimburse = async (id: string, wallet: Signer) => {
      expect(
        (await call("POST", `/v1/claims/${id}/reimburse`, undefined, { token: own.token, wait: 0 }))
          .status,
      ).equals(202);
      expect((await sign(await waiting("reimburse", own), own, wallet)).status).equals(200);
    };
    await reimburse(await claim(firstInvoice), first);
    await untilStatus(firstInvoice, "reimbursed");

    await must(
      call(
        "POST",
        `/v1/taxpayers/${own.taxId}/key-rotations`,
        { key: await ownKey(own, second) },
        { token: own.token, wait: 0 },
      ),
    );
    const rotation = await waiting("key-rotation", own);
    expect(rotation.typedData.message).deep.includes({ account: own.account, key: second.address });
    refused(await sign(rotation, own, second), "signature-invalid");
    await must(sign(rotation, own, first));
    await until(
      "the key is rotated",
      async () => (await shown(`/v1/operations/${rotation.id}`, own.token)).status === "done",
    );

    const claimed = await claim(nextInvoice);
    await must(
      call("POST", `/v1/claims/${claimed}/reimburse`, undefined, { token: own.token, wait: 0 }),
    );
    const operation = await waiting("reimburse", own);
    refused(await sign(operation, own, first), "signature-invalid");
    await must(sign(operation, own, second));
    await untilStatus(nextInvoice, "reimbursed");
    expect((await record(nextInvoice)).employer).equals(own.index);
  });

  it("a signature with s in the upper half, of a wrong length, or over other data is refused", async () => {
    const wallet = Wallet.createRandom();
    const own = await taxpayer("自管", ["employer"], {
      key: { custody: "own", address: wallet.address },
    });
    const number = await issued(shop, own);
    await must(
      call(
        "POST",
        "/v1/claims",
        { employer: own.taxId, invoices: [number] },
        { token: own.token, wait: 0 },
      ),
    );
    const operation = await waiting("claim", own);
    const { domain, types, message } = operation.typedData;
    const give = (signature: string) =>
      call(
        "POST",
        `/v1/operations/${operation.id}/signatures`,
        { signature },
        { token: own.token },
      );
    const good = new SigningKey(wallet.privateKey).sign(
      TypedDataEncoder.hash(domain, types, message),
    );
    const high = (SECP256K1 - BigInt(good.s)).toString(16).padStart(64, "0");
    refused(await give(`${good.r}${high}${good.v === 27 ? "1c" : "1b"}`), "signature-invalid");
    refused(await give(good.serialized.slice(0, -4)), "invalid-request", {
      field: "/signature",
      rule: "format",
    });
    const elsewhere = await wallet.signTypedData(
      { ...domain, name: "another network" },
      types,
      message,
    );
    refused(await give(elsewhere), "signature-invalid");
    refused(await give(`0x${"0".repeat(128)}`), "signature-invalid");
    expect((await record(number)).state).equals("untouched");
    expect((await give(Signature.from(good).compactSerialized)).status).equals(200);
    await untilStatus(number, "claimed");
    refused(await give(good.serialized), "signature-not-wanted");
  });

  it("an operation shows its outcome: its position on the chain, or the reason of its refusal", async () => {
    const number = await issued(shop, shop);
    const claim = async () => {
      const { body } = await call(
        "POST",
        "/v1/claims",
        { employer: shop.taxId, invoices: [number] },
        { token: shop.token, wait: 0 },
      );
      expect(body.operation.href).equals(`/v1/operations/${body.operation.id}`);
      return until("the operation has ended", async () => {
        const operation = await shown(body.operation.href, shop.token);
        return ["done", "refused"].includes(operation.status) ? operation : undefined;
      });
    };
    const done = await claim();
    expect([done.kind, done.status, done.problem]).deep.equals(["claim", "done", undefined]);
    expect(done.result.tx).matches(/^0x[0-9a-f]{64}$/);
    const again = await claim();
    expect([again.status, again.problem.code, again.result]).deep.equals([
      "refused",
      "already-claimed",
      undefined,
    ]);
    expect(again.problem.extra.original).deep.includes({ number, state: "claimed" });
    // newest first, by status, in pages
    const list = async (query: string) =>
      (
        await call("GET", `/v1/operations?${query}`, undefined, { token: shop.token })
      ).body.items.map(({ id }: { id: string }) => id);
    expect(await list("limit=2")).deep.equals([again.id, done.id]);
    expect((await list(`limit=1&before=${again.id}`))[0]).equals(done.id);
    expect(await list("status=refused")).deep.equals([again.id]);
    refused(
      await call("GET", "/v1/operations?status=lost", undefined, { token: shop.token }),
      "invalid-request",
    );
    refused(
      await call("GET", "/v1/operations/not-a-uuid", undefined, { token: shop.token }),
      "invalid-request",
      { field: "{id}", rule: "format" },
    );
    refused(
      await call("GET", `/v1/operations/${crypto.randomUUID()}`, undefined, { token: shop.token }),
      "not-found",
    );
  });
});
