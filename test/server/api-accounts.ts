/**
 * The network must know a holder's account: every request that names one, and how an account
 * becomes known.
 */

import { typedData } from "@onepiao/protocol/ledger/messages.ts";
import { expect } from "chai";
import { Wallet } from "ethers";
import {
  call,
  callAt,
  invoiceOf,
  issued,
  type Loose,
  must,
  ownKey,
  person,
  type Reply,
  sandbox,
  shownHere,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { refused, until } from "./observe.ts";
import { openSecondGateway, type SecondGateway } from "./support/second-gateway.ts";

describe("a holder's account", function () {
  this.timeout(120_000);
  let [shop, firm]: TestParty[] = [];
  const seller = () => shop as TestParty;
  const stranger = () => Wallet.createRandom().address;
  const unknown = (field: string) => ({ field, rule: "known-account" });
  const issue = (holder: string, more: Record<string, unknown> = {}) =>
    call("POST", "/v1/invoices", invoiceOf(seller(), { name: "个人" }, { holder, ...more }), {
      token: seller().token,
    });

  before(async () => {
    [shop, firm] = await Promise.all([
      taxpayer("账户店", ["issuer"]),
      taxpayer("账户公司", ["employer"]),
    ]);
  });

  /** The account's signature over Account(account), in the ledger's domain or an altered one. */
  async function proofBy(
    wallet: ReturnType<typeof Wallet.createRandom>,
    account = wallet.address,
    domain: Record<string, unknown> = {},
  ): Promise<string> {
    const { deployment } = await sandbox();
    const own = {
      name: deployment.network,
      version: "1" as const,
      chainId: deployment.chainId,
      verifyingContract: deployment.ledger,
      ...domain,
    };
    const { types, message } = typedData(own, { type: "Account", value: { account } });
    return wallet.signTypedData(own, types as never, message);
  }
  const show = (body: unknown) => call("POST", "/v1/accounts", body, { token: seller().token });

  describe("without a proof of its key is refused", () => {
    const ways: [string, string, (account: string) => Promise<Reply>][] = [
      ["in an invoice", "/holder", (account) => issue(account)],
      [
        "beside an invoice",
        "/holder",
        (account) =>
          call("POST", `/v1/invoices?holder=${account}`, invoiceOf(seller(), { name: "个人" }), {
            token: seller().token,
          }),
      ],
      [
        "of a titled invoice",
        "/holder",
        (account) =>
          call(
            "POST",
            "/v1/invoices",
            invoiceOf(seller(), firm as TestParty, { holder: account }),
            { token: seller().token },
          ),
      ],
      [
        "of an invoice that takes another's place",
        "/holder",
        async (account) => {
          const number = await issued(seller(), firm as TestParty);
          return call(
            "POST",
            `/v1/invoices/${number}/replace?holder=${account}`,
            invoiceOf(seller(), firm as TestParty),
            { token: seller().token },
          );
        },
      ],
      [
        "as the receiver of a transfer",
        "/to",
        async (account) => {
          const ann = await person(firm as TestParty, "张三");
          const number = await issued(seller(), { name: "个人" }, { holder: ann.account });
          return call(
            "POST",
            `/v1/invoices/${number}/transfers`,
            { to: account },
            { token: ann.token },
          );
        },
      ],
      [
        "as a reader",
        "/to",
        async (account) => {
          const number = await issued(seller(), firm as TestParty);
          return call(
            "POST",
            `/v1/invoices/${number}/grants`,
            { to: account },
            { token: (firm as TestParty).token },
          );
        },
      ],
    ];
    for (const [way, field, ask] of ways) {
      it(way, async () => {
        refused(await ask(stranger()), "receiver-invalid", unknown(field));
        // the bureau holds no invoices
        refused(await ask((await sandbox()).bureau.account), "receiver-invalid", unknown(field));
      });
    }

    it("as the employee of an external invoice", async () => {
      const document = invoiceOf(seller(), firm as TestParty, { sourceId: "E-1" });
      const reply = await call("POST", `/v1/external-invoices?holder=${stranger()}`, document, {
        token: (firm as TestParty).token,
      });
      refused(reply, "receiver-invalid", { field: "?holder", rule: "holder-is-employee" });
    });

    it("on its line of a batch, and the other lines are issued", async () => {
      const ann = await person(firm as TestParty, "李四");
      const lines = [ann.account, stranger(), ann.account].map((holder) =>
        JSON.stringify(invoiceOf(seller(), { name: "个人" }, { holder })),
      );
      const { url } = await sandbox();
      const response = await fetch(`${url}/v1/invoices/batch`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${seller().token}`,
          "idempotency-key": crypto.randomUUID(),
          "content-type": "application/x-ndjson",
        },
        body: lines.join("\n"),
      });
      const results: Loose[] = (await response.text())
        .trim()
        .split("\n")
        .map((text) => JSON.parse(text))
        .filter(({ line }) => line !== undefined);
      const [first, second, third] = results.sort((a, b) => a.line - b.line);
      expect([first.status, second.number, third.status], JSON.stringify(results)).deep.equals([
        202,
        undefined,
        202,
      ]);
      expect(JSON.stringify(second)).includes("receiver-invalid").and.includes("known-account");
    });
  });

  it("of a person, a party with its own key, a taxpayer, or an account with a key proof is accepted", async () => {
    const own = Wallet.createRandom();
    const apart = Wallet.createRandom();
    await must(show({ account: apart.address, proof: await proofBy(apart) }));
    const holders = [
      (await person(firm as TestParty, "甲")).account,
      (await person(firm as TestParty, "乙", await ownKey(firm as TestParty, own))).account,
      (firm as TestParty).account,
      apart.address,
    ];
    for (const holder of holders) {
      const reply = await issue(holder);
      expect(reply.status, JSON.stringify(reply.body)).equals(201);
      expect((await call("GET", `/v1/invoices/${reply.body.number}`)).body.holder).equals(holder);
    }
  });

  it("is proven only by its own key's signature, in this network's ledger; a second proof changes nothing", async () => {
    const wallet = Wallet.createRandom();
    const account = wallet.address;
    const refusal = { field: "/proof", rule: "signature-by-account-key" };
    for (const proof of [
      await proofBy(Wallet.createRandom(), account),
      await proofBy(wallet, stranger()),
      await proofBy(wallet, account, { name: "another network" }),
      await proofBy(wallet, account, { chainId: 1 }),
      await proofBy(wallet, account, { verifyingContract: stranger() }),
      (await ownKey(seller(), wallet)).proof,
    ]) {
      refused(await show({ account, proof }), "key-not-shown", refusal);
    }
    refused(
      await show({ account: `0x${"0".repeat(40)}`, proof: await proofBy(wallet) }),
      "key-not-shown",
      refusal,
    );
    refused(await show({ account, proof: "0x12" }), "invalid-request");
    refused(await issue(account), "receiver-invalid", unknown("/holder"));
    const proof = await proofBy(wallet);
    for (const written of [account, account.toLowerCase(), account])
      expect((await show({ account: written, proof })).body).deep.equals({ account });
  });

  it("whose key was rotated is proven by its present key", async () => {
    const { deployment } = await sandbox();
    const moved = await taxpayer("换钥户", ["employer"]);
    const next = Wallet.createRandom();
    const gave = await must(call("GET", "/v1/account-proof", undefined, { token: moved.token }));
    expect((await show({ account: moved.account, proof: gave.proof })).status).equals(201);
    await must(
      call(
        "POST",
        `/v1/taxpayers/${moved.taxId}/key-rotations`,
        { key: await ownKey(moved, next) },
        { token: moved.token },
      ),
    );
    refused(await show({ account: moved.account, proof: gave.proof }), "key-not-shown");
    // its gateway no longer has the key: the party signs the data that it receives
    const answer = await must(call("GET", "/v1/account-proof", undefined, { token: moved.token }));
    expect(answer.proof).equals(undefined);
    expect(answer.typedData.domain.verifyingContract.toLowerCase()).equals(
      deployment.ledger.toLowerCase(),
    );
    const proof = await next.signTypedData(
      answer.typedData.domain,
      answer.typedData.types,
      answer.typedData.message,
    );
    expect((await show({ account: moved.account, proof })).status).equals(201);
  });

  describe("at another gateway", () => {
    let second: SecondGateway;
    let abroad: TestParty;
    let ann: { account: string; token: string };
    before(async () => {
      second = await openSecondGateway({ MAX_ACCOUNTS: "2" });
      abroad = await second.taxpayer("外埠公司", ["employer"]);
      const { account } = await must(
        callAt(second.url, "POST", "/v1/persons", { name: "李晓明" }, { token: abroad.token }),
      );
      const { token } = await must(
        callAt(
          second.url,
          "POST",
          "/v1/api-keys",
          { account, roles: ["holder"] },
          { token: abroad.token },
        ),
      );
      ann = { account, token };
    });

    it("is known here after its proof was imported, and the invoice is claimed there", async () => {
      refused(await issue(ann.account), "receiver-invalid", unknown("/holder"));
      await shownHere(second.url, ann);
      const number = await issued(seller(), abroad, { holder: ann.account });
      const bundle = await must(
        call("GET", `/v1/invoices/${number}/bundle`, undefined, { token: seller().token }),
      );
      // the second gateway follows the chain
      await until("the second gateway knows the lot", async () => {
        const [row] =
          await second.sql`select 1 from lots where first <= ${number} and first + count > ${number}::numeric`;
        return row !== undefined;
      });
      const there = (method: string, path: string, body?: unknown) =>
        callAt(second.url, method, path, body, { token: ann.token });
      await must(there("POST", "/v1/invoices/import", bundle));
      const claim = await must(
        there("POST", "/v1/claims", { employer: abroad.taxId, invoices: [number] }),
      );
      expect(claim.status).equals("claimed");
    });

    it("its taxpayer, enrolled in the registry, is known without a proof", async () => {
      expect((await issue(abroad.account)).status).equals(201);
    });

    it("one party can import only a limited number", async () => {
      const bring = async () => {
        const wallet = Wallet.createRandom();
        const body = { account: wallet.address, proof: await proofBy(wallet) };
        return callAt(second.url, "POST", "/v1/accounts", body, { token: abroad.token });
      };
      const racing = await Promise.all([bring(), bring(), bring(), bring()]);
      expect(racing.map(({ status }) => status).sort()).deep.equals([201, 201, 409, 409]);
      refused(await bring(), "account-limit");
    });
  });
});
