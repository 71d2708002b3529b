/**
 * Two organisations, each with a gateway and a database of its own, on one chain: an invoice issued
 * at one is claimed and reimbursed at the other, and never twice at any of them.
 */

import type { Bundle } from "@onepiao/protocol/proofs/bundle.ts";
import { expect } from "chai";
import { Wallet } from "ethers";
import { createContracts } from "../../server/chain/contracts.ts";
import { projections } from "../../server/gateway.ts";
import { createLog } from "../../server/kernel/log.ts";
import { checkProjections } from "../../server/operator/rebuild.ts";
import {
  call,
  callAt,
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
import { chain, database, record, refused, until, untilStatus } from "./observe.ts";
import { openSecondGateway, type SecondGateway } from "./support/second-gateway.ts";

describe("imports", function () {
  this.timeout(120_000);
  let second: SecondGateway;
  let shop: TestParty;
  let firm: TestParty & { elsewhere: string };
  let rival: TestParty;
  let ann: { account: string; token: string };

  const there = (
    method: string,
    path: string,
    by: { token: string },
    body?: unknown,
  ): Promise<Reply> => callAt(second.url, method, path, body, { token: by.token });
  const bundleOf = (number: string, by: { token: string } = shop): Promise<Bundle> =>
    must(call("GET", `/v1/invoices/${number}/bundle`, undefined, { token: by.token }));
  const bring = (bundle: unknown, by: { token: string } = ann) =>
    there("POST", "/v1/invoices/import", by, bundle);
  /** Titled to the second gateway's employer, held by its employee. */
  const titled = () => issued(shop, firm, { holder: ann.account, remark: "午餐 4人" });
  const claim = (number: string) =>
    there("POST", "/v1/claims", ann, { employer: firm.taxId, invoices: [number] });
  const known = (number: string) =>
    until(`the second gateway knows the lot of ${number}`, async () => {
      const [row] =
        await second.sql`select 1 from lots where first <= ${number} and first + count > ${number}::numeric`;
      return row !== undefined;
    });
  const differences = async () => {
    const { deployment } = await sandbox();
    const done = await checkProjections({
      sql: second.sql,
      databaseUrl: second.config.DATABASE_URL,
      chain: await chain(),
      contracts: createContracts(deployment),
      projections,
      log: createLog("silent"),
      finalityDepth: 0,
      progress: () => {},
    });
    return done.differences;
  };

  before(async () => {
    second = await openSecondGateway();
    [shop, rival] = await Promise.all([
      taxpayer("茶餐厅", ["issuer"]),
      taxpayer("别家雇主", ["employer"]),
    ]);
    // the bureau enrols it through its gateway; the other gateway keeps its key and its persons
    firm = await second.taxpayer("远航精密制造", ["employer"]);
    const { account } = await must(there("POST", "/v1/persons", firm, { name: "李晓明" }));
    const { token } = await must(
      there("POST", "/v1/api-keys", firm, { account, roles: ["holder"] }),
    );
    ann = { account, token };
    await shownHere(second.url, ann);
  });

  it("issued at one gateway, imported, claimed and reimbursed at the other; the first one sees it", async () => {
    const number = await titled();
    refused(await there("GET", `/v1/invoices/${number}`, ann), "not-found");
    await known(number);
    const brought = await bring(await bundleOf(number));
    expect(
      [brought.status, brought.body.number, brought.body.status],
      JSON.stringify(brought.body),
    ).deep.equals([201, number, "issued"]);
    const here = (await must(there("GET", `/v1/invoices/${number}`, ann))).document;
    expect(here).deep.equals(
      (await must(call("GET", `/v1/invoices/${number}`, undefined, { token: shop.token })))
        .document,
    );
    const seen = () => must(there("GET", "/v1/events?limit=100", ann));
    // the event comes with the next block, after that block's own events
    await until("the import's event is in the feed", async () => (await seen()).items.length > 0);
    const made = await must(claim(number));
    expect(made.status).equals("claimed");
    const done = await must(there("POST", `/v1/claims/${made.id}/reimburse`, firm));
    expect(done.status).equals("reimbursed");
    expect(await record(number)).deep.includes({ state: "reimbursed", version: 2 });
    await untilStatus(number, "reimbursed");
    const page = await seen();
    expect(page.items.map((event: Loose) => event.type)).deep.equals([
      "invoice.imported",
      "claim.created",
      "invoice.reimbursed",
    ]);
    // the bundle contained the names
    expect((await must(there("GET", `/v1/claims/${made.id}`, firm))).employer).deep.equals({
      taxId: firm.taxId,
      name: "远航精密制造",
    });
  });

  it("either gateway serves its bundle, and both bundles are the same proof", async () => {
    const number = await titled();
    await known(number);
    await must(bring(await bundleOf(number)));
    const [first, other] = [
      await bundleOf(number),
      (await must(there("GET", `/v1/invoices/${number}/bundle`, ann))) as Bundle,
    ];
    expect(other).deep.equals(first);
  });

  it("a holder with its own key claims at both gateways at once, from two employers: one claim succeeds, the other is an alarm", async () => {
    const wallet = Wallet.createRandom();
    const here = await person(rival, "双开人", await ownKey(rival, wallet));
    const made = await must(
      there("POST", "/v1/persons", firm, { name: "双开人", key: await ownKey(firm, wallet) }),
    );
    const { token } = await must(
      there("POST", "/v1/api-keys", firm, { account: made.account, roles: ["holder"] }),
    );
    const number = await issued(shop, { name: "个人" }, { holder: here.account });
    await known(number);
    await must(bring(await bundleOf(number), { token }));
    const { url } = await sandbox();
    const claims = [
      { at: url, token: here.token, employer: rival.taxId },
      { at: second.url, token, employer: firm.taxId },
    ];
    const outcomes = await Promise.all(
      claims.map(async ({ at, token: by, employer }) => {
        const { operation } = await must(
          callAt(
            at,
            "POST",
            "/v1/claims",
            { employer, invoices: [number] },
            { token: by, wait: 0 },
          ),
        );
        let signed = "";
        return until("the operation has ended", async () => {
          const seen = await must(callAt(at, "GET", operation.href, undefined, { token: by }));
          if (["done", "refused"].includes(seen.status)) return seen;
          // after another act, the party must sign the new version: this holder does so each time
          const { typedData } = seen;
          const message = JSON.stringify(typedData?.message ?? "");
          if (typedData === undefined || message === signed) return undefined;
          signed = message;
          const signature = await wallet.signTypedData(
            typedData.domain,
            typedData.types,
            typedData.message,
          );
          await must(
            callAt(at, "POST", `${operation.href}/signatures`, { signature }, { token: by }),
          );
          return undefined;
        });
      }),
    );
    expect(outcomes.map((outcome) => outcome.status).sort()).deep.equals(["done", "refused"]);
    expect(outcomes.find((outcome) => outcome.status === "refused").problem.code).equals(
      "already-claimed",
    );
    await until("the bureau sees the attempt", async () =>
      (await must(call("GET", `/v1/invoices/${number}/history`))).items.some(
        (event: Loose) => event.type === "reimbursement.refused",
      ),
    );
    expect((await record(number)).state).equals("claimed");
    // a second import by a gateway that has the invoice changes nothing
    expect((await must(bring(await bundleOf(number), { token }))).status).equals("claimed");
  });

  it("the state from before the import is there at once: claimed and reimbursed elsewhere, transferred, reversed", async () => {
    const [bob, eve] = [await person(rival, "王芳"), await person(rival, "赵敏")];
    const [paid, moved, back, free] = await Promise.all([
      issued(shop, { name: "个人" }, { holder: bob.account }),
      issued(shop, { name: "个人" }, { holder: bob.account }),
      issued(shop, firm, { holder: ann.account }),
      issued(shop, { name: "个人" }, { holder: bob.account }),
    ] as const);
    const { id } = await must(
      call("POST", "/v1/claims", { employer: rival.taxId, invoices: [paid] }, { token: bob.token }),
    );
    await must(call("POST", `/v1/claims/${id}/reimburse`, undefined, { token: rival.token }));
    const offer = await must(
      call("POST", `/v1/invoices/${moved}/transfers`, { to: eve.account }, { token: bob.token }),
    );
    await must(call("POST", `/v1/transfers/${offer.id}/accept`, undefined, { token: eve.token }));
    const rejected = await must(
      call("POST", "/v1/claims", { employer: rival.taxId, invoices: [free] }, { token: bob.token }),
    );
    await must(
      call("POST", `/v1/claims/${rejected.id}/reject`, { reason: "超标" }, { token: rival.token }),
    );
    const negative = {
      lines: [
        {
          name: "*餐饮服务*餐费",
          quantity: "-1",
          unitPrice: "188.68",
          amount: "-188.68",
          taxRate: "0.06",
          tax: "-11.32",
        },
      ],
      totals: { net: "-188.68", tax: "-11.32", gross: "-200.00" },
      reverses: { number: back },
    };
    await issued(shop, firm, negative);
    await untilStatus(back, "reversed");
    for (const number of [paid, moved, back, free]) await known(number);
    await until("the second gateway is at the chain's head", async () => {
      const [there] = await second.sql<{ block: bigint }[]>`select block from cursor`;
      const [here] = await (await database())<{ block: bigint }[]>`select block from cursor`;
      return there && here && there.block >= here.block;
    });
    // bob and eve are persons of the first gateway: the second one does not keep their keys, so
    // nobody there may import their invoices
    refused(await bring(await bundleOf(paid)), "forbidden");
    expect((await must(bring(await bundleOf(back)))).status).equals("reversed");
    // as parties of that gateway they would see this
    const rows: [string, Loose][] = [];
    const { createImports } = await import("../../server/features/proof/imports.ts");
    const { createDocuments } = await import("../../server/features/invoices/documents.ts");
    const { createEncryptionKeys } = await import("../../server/features/parties/encryption.ts");
    const { createInvoices } = await import("../../server/features/invoices/invoices.ts");
    const { createDirectory } = await import("../../server/features/parties/directory.ts");
    const { createNames } = await import("../../server/features/parties/names.ts");
    const { createTaxpayers } = await import("../../server/features/parties/taxpayers.ts");
    const { deployment } = await sandbox();
    const { vault, keys } = second;
    const documents = createDocuments({ vault, keys: createEncryptionKeys({ vault }), deployment });
    const taxpayers = createTaxpayers({ vault });
    const invoices = createInvoices({ vault, documents, taxpayers });
    const contracts = createContracts(deployment);
    const directory = createDirectory({ sql: second.sql, taxpayers });
    const names = createNames({ keys, contracts, chain: await chain(), taxpayers, directory });
    const imports = createImports({
      contracts,
      chain: await chain(),
      documents,
      invoices,
      taxpayers,
      names,
    });
    for (const [number, holder] of [
      [paid, bob.account],
      [moved, eve.account],
      [free, bob.account],
    ] as const) {
      const caller = { keyId: "", account: holder, roles: ["holder"] as const };
      const bundle = await bundleOf(number);
      const row = await second.sql.begin((tx) => imports.bring(tx, caller, bundle));
      rows.push([number, { status: row.status, holder: row.holder, version: row.version }]);
    }
    expect(rows.map(([, row]) => row)).deep.equals([
      { status: "reimbursed", holder: bob.account, version: 2 },
      { status: "issued", holder: eve.account, version: 1 },
      { status: "issued", holder: bob.account, version: 2 },
    ]);
    expect(await differences(), "a replay of the chain says the same").deep.equals([]);
  });

  it("an invalid bundle, or one of another network or party, is refused, and leaves no rows", async () => {
    const number = await titled();
    await known(number);
    const bundle = await bundleOf(number);
    const altered = (change: (bundle: Loose) => void): Bundle => {
      const other = structuredClone(bundle);
      change(other);
      return other;
    };
    const cases: [Bundle, string, string][] = [
      [altered((b) => Object.assign(b.parts.total, { value: "2000.00" })), "", "parts"],
      [altered((b) => Object.assign(b.leaf, { holder: rival.account })), "", "path"],
      [altered((b) => delete b.parts.remark), "/parts", "whole"],
      [altered((b) => Object.assign(b.network, { name: "another" })), "/network", "same-network"],
      [altered((b) => Object.assign(b.lot, { time: b.lot.time + 1 })), "/lot", "lot-on-chain"],
      [
        altered((b) => Object.assign(b.parties[1], { name: "改了名字" })),
        "/buyer/name",
        "buyer-name",
      ],
      [
        altered((b) => Object.assign(b.parties[1], { salt: "ab".repeat(32) })),
        "/parties/1",
        "enrolled-so",
      ],
      [altered((b) => b.parties.pop()), "/parties", "party-missing"],
      [altered((b) => b.parties.shift()), "/parties", "party-missing"],
    ];
    for (const [value, field, rule] of cases)
      refused(await bring(value), "bundle-invalid", { field, rule });
    refused(await bring({ ...bundle, more: 1 }), "invalid-request");
    refused(
      await bring(bundle, firm.token === ann.token ? ann : { token: firm.token.replace(/.$/, "") }),
      "unauthenticated",
    );
    // a party of another invoice
    const stranger = await must(there("POST", "/v1/persons", firm, { name: "路人" }));
    const { token } = await must(
      there("POST", "/v1/api-keys", firm, { account: stranger.account, roles: ["holder"] }),
    );
    refused(await bring(bundle, { token }), "forbidden");
    for (const table of ["invoices", "imported", "invoice_states"])
      expect(
        await second.sql.unsafe(`select 1 from ${table} where number = ${number}`),
        table,
      ).lengthOf(0);
  });

  it("of many imports at once, during a claim elsewhere, one takes effect, with the chain's state", async () => {
    const number = await issued(shop, firm);
    await known(number);
    const bundle = await bundleOf(number);
    const replies = await Promise.all(
      Array.from({ length: 6 }, () => there("POST", "/v1/invoices/import", firm, bundle)),
    );
    expect(replies.map((reply) => reply.status)).deep.equals(Array(6).fill(201));
    expect(await second.sql`select 1 from imported where number = ${number}`).lengthOf(1);
    const made = await must(
      there("POST", "/v1/claims", firm, { employer: firm.taxId, invoices: [number] }),
    );
    // the employer at both gateways at once: one claim, reimbursed once
    const tries = await Promise.all(
      Array.from({ length: 5 }, () => there("POST", `/v1/claims/${made.id}/reimburse`, firm)),
    );
    expect(tries.filter((reply) => reply.status === 200)).lengthOf(1);
    for (const reply of tries.filter((answer) => answer.status !== 200))
      refused(reply, "already-reimbursed");
    await untilStatus(number, "reimbursed");
    expect(await differences()).deep.equals([]);
  });

  it("an identity proves itself to the registry; an altered one matches nobody", async () => {
    const identity = await must(call("GET", `/v1/taxpayers/${rival.taxId}/identity`));
    refused(
      await call("GET", `/v1/taxpayers/${rival.taxId}/identity`, undefined, { token: shop.token }),
      "not-found",
    );
    const { createTaxpayers } = await import("../../server/features/parties/taxpayers.ts");
    const taxpayers = createTaxpayers({ vault: second.vault });
    const adopt = (party: Loose) => second.sql.begin((tx) => taxpayers.adopt(tx, party, "CNY"));
    expect(await adopt({ ...identity, name: "改了名字" })).equals(false);
    expect(await adopt({ ...identity, index: shop.index })).equals(false);
    expect(await adopt({ ...identity, account: shop.account })).equals(false);
    expect(await adopt(identity)).equals(true);
    expect(await adopt(identity)).equals(true);
    expect((await taxpayers.byTaxId(second.sql, rival.taxId))?.name).equals("别家雇主");
  });
});
