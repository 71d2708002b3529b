/**
 * The bureau's auditor on a real network: lots of the bureau's own gateway, and of another
 * organisation's that deposits its documents; an alarm for each fact that an issuer or its gateway
 * could hide.
 */
import { randomBytes, randomInt } from "node:crypto";
import { leafHash, lotTree } from "@onepiao/protocol/ledger/tree.ts";
import { contentHash } from "@onepiao/protocol/proofs/disclosing.ts";
import { expect } from "chai";
import { exportJWK, generateKeyPair } from "jose";
import { createContracts, ZERO_ACCOUNT } from "../../server/chain/contracts.ts";
import type { Sql, Tx } from "../../server/db/db.ts";
import { type AuditLot, createAudit } from "../../server/features/bureau/audit.ts";
import { createAuditing } from "../../server/features/bureau/auditing.ts";
import type { Deposit, SealedLot } from "../../server/features/bureau/lots.ts";
import { createDocuments } from "../../server/features/invoices/documents.ts";
import { createEncryptionKeys, type PublicKey } from "../../server/features/parties/encryption.ts";
import { createTaxpayers } from "../../server/features/parties/taxpayers.ts";
import { createFindings } from "../../server/features/use/external-findings.ts";
import { createNear } from "../../server/features/use/near.ts";
import { projections } from "../../server/gateway.ts";
import { createLog } from "../../server/kernel/log.ts";
import { openVault, type Vault } from "../../server/keys/vault.ts";
import { checkProjections } from "../../server/operator/rebuild.ts";
import { createDepositing } from "../../server/upkeep/depositing.ts";
import {
  call,
  callAt,
  freshTaxId,
  invoiceOf,
  issued,
  type Loose,
  must,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { chain, database, month, period, refused, until } from "./observe.ts";
import { openSecondGateway, type SecondGateway } from "./support/second-gateway.ts";

describe("the bureau's audit", function () {
  this.timeout(120_000);
  let second: SecondGateway;
  let firm: TestParty;
  const silent = createLog("silent");

  const quotaRow = async (issuer: { index: number }): Promise<Loose> =>
    (
      await must(
        call("GET", `/v1/audit/quotas?period=${month()}&after=${issuer.index - 1}&limit=1`),
      )
    ).items.find((item: Loose) => item.issuer === issuer.index);
  const findingsOf = async (issuer: { index: number }): Promise<string[]> =>
    (await must(call("GET", "/v1/audit"))).findings
      .filter((finding: Loose) => finding.issuer === issuer.index)
      .map((finding: Loose) => `${finding.kind} ${finding.subject}`);
  const alarmsOf = async (issuer: { index: number }): Promise<string[]> => {
    const rows = await (await database())<
      { data: Loose }[]
    >`select data from feed where type = 'audit.alarm' and (data->>'issuer')::int = ${issuer.index} order by position`;
    return rows.map(({ data }) => `${data.kind} ${data.subject}`);
  };
  const issuedSums = (
    issuer: { index: number },
    expected: { invoices: number; gross: string; tax: string },
  ) =>
    until(`the audit of issuer ${issuer.index} has ${expected.gross}`, async () => {
      const issued = (await quotaRow(issuer))?.issued;
      return (
        issued?.gross === expected.gross &&
        issued.invoices === expected.invoices &&
        issued.tax === expected.tax
      );
    });
  const issueAt = (
    gateway: SecondGateway,
    by: TestParty,
    more: Record<string, unknown> = {},
    buyer: { taxId?: string; name: string } = { name: "个人" },
  ) =>
    callAt(
      gateway.url,
      "POST",
      "/v1/invoices",
      invoiceOf(by, buyer, { holder: by.account, ...more }),
      { token: by.token },
    );
  const lotOf = (number: string): Promise<string> =>
    until(`the lot of ${number} is known`, async () => {
      const [row] = await database().then(
        (sql) =>
          sql<
            { first: string }[]
          >`select first from lots where first <= ${number} and first + count > ${number}::numeric`,
      );
      return row?.first;
    });
  /** The second gateway's deposit, for tests that send it. */
  async function depositOf(gateway: SecondGateway, first: string, by: string): Promise<Deposit> {
    const { deployment } = await sandbox();
    const { jwk } = await must(call("GET", "/v1/deposits/key", undefined, { token: by }));
    const [lot] = await gateway.sql<
      { first: string; count: number }[]
    >`select first, count from lots where first = ${first}`;
    return (await partsOf(gateway, deployment).ownDeposit(
      gateway.sql,
      jwk as PublicKey,
      lot as { first: string; count: number },
    )) as Deposit;
  }
  function partsOf(
    { vault }: Pick<SecondGateway, "vault">,
    deployment: Awaited<ReturnType<typeof sandbox>>["deployment"],
  ) {
    const encryption = createEncryptionKeys({ vault });
    const documents = createDocuments({ vault, keys: encryption, deployment });
    const taxpayers = createTaxpayers({ vault });
    const findings = createFindings({ vault, taxpayers });
    return createAudit({
      vault,
      keys: encryption,
      documents,
      taxpayers,
      contracts: createContracts(deployment),
      near: createNear({ vault, taxpayers, findings }),
      log: silent,
    });
  }
  /**
   * A lot as a gateway without checks could have sealed it: this one invoice, altered, under the
   * matching root. `tx`: a transaction in the database of the gateway that has `vault`.
   */
  async function forged(
    tx: Tx,
    vault: Vault,
    number: string,
    change: (document: Loose) => Loose,
    reverses: string | null,
    leaf: { holder?: string; buyer?: number } = {},
  ): Promise<AuditLot> {
    const { deployment } = await sandbox();
    const documents = createDocuments({ vault, keys: createEncryptionKeys({ vault }), deployment });
    const [row] = await tx<Loose[]>`select * from invoices where number = ${number}`;
    const document = change(documents.open(number, row.document));
    const content = contentHash(row.salt, document);
    // a red letter has no holder
    const { holder = document.reverses ? ZERO_ACCOUNT : row.leaf_holder, buyer = row.leaf_buyer } =
      leaf;
    await tx`
      update invoices set content = ${content}, document = ${documents.seal(number, JSON.stringify(document))}, reverses = ${reverses},
             leaf_holder = ${holder}, leaf_buyer = ${buyer} where number = ${number}`;
    const root = lotTree([leafHash({ content, holder, buyer })]).root;
    const [lot] = await tx<
      Loose[]
    >`select first, 1 as count, issuer, time from lots where first = ${number}`;
    return { ...lot, root, late: false } as AuditLot;
  }
  /** A red letter of `original` over this amount, negative. */
  const redOf = (original: string, gross: string) => (document: Loose) => ({
    ...document,
    lines: [{ name: "*餐饮服务*餐费", amount: gross, taxRate: "免税", tax: "0.00" }],
    totals: { net: gross, tax: "0.00", gross },
    reverses: { number: original },
  });
  const exceedingOf = async (tx: Tx, { index }: { index: number }): Promise<string[]> => {
    const rows = await tx<
      { subject: string }[]
    >`select subject from audit_findings where issuer = ${index} and kind = 'red-letter-exceeds' order by subject`;
    return rows.map((row) => row.subject);
  };
  /** Runs `look` on the database, in a transaction that is rolled back. */
  async function undone<T>(sql: Sql, look: (tx: Tx) => Promise<T>): Promise<T> {
    const undo = new Error("undo");
    let seen: T | undefined;
    await sql
      .begin(async (tx) => {
        seen = await look(tx);
        throw undo;
      })
      .catch((error: unknown) => {
        if (error !== undo) throw error;
      });
    return seen as T;
  }
  const late = (first: string) =>
    database().then(
      (sql) =>
        sql`update audit_lots set since = now() - interval '1 hour', next_at = now() where first = ${first}`,
    );

  before(async () => {
    // only the tests make it deposit
    [second, firm] = await Promise.all([openSecondGateway(), taxpayer("精密制造", ["employer"])]);
  });

  it("lots of the bureau's own gateway are opened and added up, red letters subtracted, and the read is in the log", async () => {
    const shop = await taxpayer("茶餐厅", ["issuer"]);
    const numbers = await Promise.all(Array.from({ length: 5 }, () => issued(shop, firm)));
    await issuedSums(shop, { invoices: 5, gross: "1000.00", tax: "56.60" });
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
    };
    await must(
      call(
        "POST",
        "/v1/invoices",
        invoiceOf(shop, firm, { ...negative, reverses: { number: numbers[2] } }),
        { token: shop.token },
      ),
    );
    await issuedSums(shop, { invoices: 6, gross: "800.00", tax: "45.28" });
    expect(await findingsOf(shop)).deep.equals([]);
    const { items } = await must(
      call("GET", `/v1/invoices/${numbers[0]}/reads`, undefined, { token: firm.token }),
    );
    const { bureau } = await sandbox();
    expect(items.map((item: Loose) => `${item.account} ${item.form}`)).includes(
      `${bureau.account} audit`,
    );
  });

  it("a lot sealed through another gateway is added up after that gateway's deposit, once, with any number of deposits", async () => {
    const cafe = await second.taxpayer("咖啡馆", ["issuer"]);
    const { number } = await must(issueAt(second, cafe));
    const first = await lotOf(number);
    await until(
      "the lot is taken up",
      async () =>
        (await (await database())`select 1 from audit_lots where first = ${first}`).length > 0,
    );
    expect((await quotaRow(cafe))?.issued.invoices).equals(0);
    const { url } = await sandbox();
    let posts = 0;
    const job = createDepositing({
      sql: second.sql,
      audit: partsOf(second, (await sandbox()).deployment),
      log: silent,
      to: { url, token: cafe.elsewhere },
      // the answer to the first deposit is lost
      fetch: async (input, init) => {
        const answer = await fetch(input, init);
        if (init?.method === "POST" && ++posts === 1) throw new Error("the connection broke");
        return answer;
      },
    });
    await until("all lots are deposited", async () => {
      await job.run(new AbortController().signal);
      const [left] = await second.sql<
        { n: number }[]
      >`select count(*)::int as n from deliveries where delivered_at is null`;
      return left?.n === 0;
    });
    expect(posts).greaterThan(1);
    await issuedSums(cafe, { invoices: 1, gross: "200.00", tax: "11.32" });
    const again = await depositOf(second, first, cafe.elsewhere);
    const reply = await must(call("POST", "/v1/deposits", again, { token: cafe.elsewhere }));
    expect(reply).deep.equals({ lot: first, received: 1, count: 1 });
    await must(issueAt(second, cafe));
    await until("the next lot is deposited", async () => {
      await job.run(new AbortController().signal);
      return (await quotaRow(cafe))?.issued.invoices === 2;
    });
    expect((await quotaRow(cafe)).issued.gross).equals("400.00");
    expect(await findingsOf(cafe)).deep.equals([]);
    await until("the bureau's statistics have it", async () => {
      const { items } = await must(call("GET", "/v1/stats/issuers?grain=month&limit=100"));
      return items.find((item: Loose) => item.index === cafe.index)?.amounts[0]?.gross === "400.00";
    });
  });

  it("what another gateway deposits is compared with what was issued elsewhere, in either order, for the bureau alone", async () => {
    const bakery = await second.taxpayer("双开面包店", ["issuer"]);
    /** The sale as an invoice from elsewhere, registered at the bureau's gateway. */
    const registered = (gross: string): Promise<Loose> =>
      must(
        call(
          "POST",
          "/v1/external-invoices",
          {
            ...invoiceOf({ taxId: freshTaxId(), name: "双开面包店" }, { name: "个人" }),
            ...untaxed(gross),
            sourceId: `26450${String(Number(gross) * 100_000).padStart(15, "7")}`,
          },
          { token: firm.token },
        ),
      );
    const untaxed = (gross: string) => ({
      lines: [{ name: "*焙烤食品*面包", amount: gross, taxRate: "免税", tax: "0.00" }],
      totals: { net: gross, tax: "0.00", gross },
    });
    const deposited = async (gross: string): Promise<string> => {
      const { number } = await must(issueAt(second, bakery, untaxed(gross)));
      const deposit = await depositOf(second, await lotOf(number), bakery.elsewhere);
      await must(call("POST", "/v1/deposits", deposit, { token: bakery.elsewhere }));
      await until("the auditor has compared it", async () => {
        const sql = await database();
        const [key] = await sql`select 1 from near_keys where number = ${number}`;
        return key;
      });
      return number;
    };
    const findings = async (token?: string): Promise<Loose[]> =>
      (
        await must(
          call(
            "GET",
            "/v1/external-findings?kind=near-duplicate&limit=100",
            undefined,
            token === undefined ? {} : { token },
          ),
        )
      ).items.filter((item: Loose) => item.stated.seller.name === "双开面包店");
    const early = await registered("31.50");
    const later = await deposited("31.50");
    const earlier = await deposited("32.50");
    const late = await registered("32.50");
    expect(late.nearDuplicates).equals(undefined);
    expect((await findings()).map(({ id, registered }) => [id, registered.invoice])).deep.equals([
      [late.id, earlier],
      [early.id, later],
    ]);
    expect((await findings())[0]?.["registered"].seller).deep.equals({
      name: "双开面包店",
      taxId: bakery.taxId,
    });
    expect(await findings(firm.token)).deep.equals([]);
  });

  it("late documents are an alarm, which ends when they arrive", async () => {
    const late1 = await second.taxpayer("迟交商行", ["issuer"]);
    const { number } = await must(issueAt(second, late1));
    const first = await lotOf(number);
    await until(
      "the lot is taken up",
      async () =>
        (await (await database())`select 1 from audit_lots where first = ${first}`).length > 0,
    );
    await late(first);
    await until("the alarm is raised", async () =>
      (await findingsOf(late1)).includes(`documents-missing ${first}`),
    );
    await until("the bureau's feed has it", async () => (await alarmsOf(late1)).length === 1);
    const page = await must(call("GET", "/v1/events?types=audit.alarm&limit=100"));
    const alarm = page.items.find((event: Loose) => event.data.issuer === late1.index);
    expect(alarm.data).deep.equals({
      kind: "documents-missing",
      issuer: late1.index,
      subject: first,
    });
    expect(alarm).not.to.have.property("tx");
    // no other party gets the event
    refused(await call("GET", "/v1/audit", undefined, { token: late1.elsewhere }), "forbidden");
    const theirs = await must(
      call("GET", "/v1/events?limit=100", undefined, { token: late1.elsewhere }),
    );
    expect(theirs.items.filter((event: Loose) => event.type === "audit.alarm")).deep.equals([]);
    await must(
      call("POST", "/v1/deposits", await depositOf(second, first, late1.elsewhere), {
        token: late1.elsewhere,
      }),
    );
    await issuedSums(late1, { invoices: 1, gross: "200.00", tax: "11.32" });
    expect(await findingsOf(late1)).deep.equals([]);
  });

  it("a deposit that differs from the sealed content is an alarm; another issuer's deposit does not block the right one", async () => {
    const [victim, rival] = [
      await second.taxpayer("受害商行", ["issuer"]),
      await second.taxpayer("对手商行", ["issuer"]),
    ];
    const { number } = await must(issueAt(second, victim));
    const first = await lotOf(number);
    const right = await depositOf(second, first, victim.elsewhere);
    const wrong: Deposit = {
      ...right,
      documents: right.documents.map((document) => ({ ...document, holder: rival.account })),
    };
    await must(call("POST", "/v1/deposits", wrong, { token: rival.elsewhere }));
    await until("the alarm is raised", async () =>
      (await findingsOf(victim)).includes(`documents-differ ${first}`),
    );
    expect((await quotaRow(victim))?.issued.invoices).equals(0);
    await must(call("POST", "/v1/deposits", right, { token: victim.elsewhere }));
    await issuedSums(victim, { invoices: 1, gross: "200.00", tax: "11.32" });
    expect(await findingsOf(victim)).deep.equals([]);
  });

  it("deposits continue, and earlier ones still open, after the bureau registers a key of its own and rotates the deposit key", async () => {
    const steady = await second.taxpayer("常交商行", ["issuer"]);
    const depositKey = () =>
      call("GET", "/v1/deposits/key", undefined, { token: steady.elsewhere });
    const [before, after] = [
      await must(issueAt(second, steady)),
      await must(issueAt(second, steady)),
    ];
    const [first, next] = [await lotOf(before.number), await lotOf(after.number)];
    const made = await depositOf(second, first, steady.elsewhere);
    const { kid } = await must(depositKey());
    // the bureau's own key, which opens documents
    const pair = await generateKeyPair("ECDH-ES+A256KW", { crv: "X25519", extractable: true });
    const registered = await must(
      call("PUT", "/v1/encryption-key", await exportJWK(pair.publicKey)),
    );
    expect((await call("GET", "/v1/encryption-key")).body.kid).equals(registered.kid);
    expect([(await depositKey()).status, (await depositKey()).body.kid]).deep.equals([200, kid]);
    refused(
      await call("POST", "/v1/deposits/key-rotations", undefined, { token: steady.elsewhere }),
      "forbidden",
    );
    const rotated = await must(call("POST", "/v1/deposits/key-rotations"));
    expect((await depositKey()).body.kid)
      .equals(rotated.kid)
      .and.not.equals(kid);
    // encrypted before the rotation, and after it
    await must(call("POST", "/v1/deposits", made, { token: steady.elsewhere }));
    await must(
      call("POST", "/v1/deposits", await depositOf(second, next, steady.elsewhere), {
        token: steady.elsewhere,
      }),
    );
    await issuedSums(steady, { invoices: 2, gross: "400.00", tax: "22.64" });
    expect(await findingsOf(steady)).deep.equals([]);
  });

  it("the refusal of a deposit names the wrong field", async () => {
    const cafe = await second.taxpayer("错单商行", ["issuer"]);
    const { number } = await must(issueAt(second, cafe));
    const first = await lotOf(number);
    const right = await depositOf(second, first, cafe.elsewhere);
    const [entry] = right.documents as [Deposit["documents"][0]];
    const post = (body: unknown, token = cafe.elsewhere) =>
      call("POST", "/v1/deposits", body, { token });
    const field = (name: string, rule: string) => ({ field: name, rule });
    refused(
      await post({ ...right, key: `${right.key.slice(0, -4)}AAAA` }),
      "invalid-request",
      field("/key", "lot-key"),
    );
    refused(
      await post({ ...right, documents: [{ ...entry, number: (BigInt(number) + 5n).toString() }] }),
      "invalid-request",
      field("/documents/0/number", "in-lot"),
    );
    refused(
      await post({ ...right, documents: [entry, { ...entry, key: `AAAA${entry.key.slice(4)}` }] }),
      "invalid-request",
      field("/documents/1", "opens"),
    );
    const elsewhere = {
      ...entry.document,
      aad: entry.document.aad.replace(/\d+$/, "26442000000000000001"),
    };
    refused(
      await post({ ...right, documents: [{ ...entry, document: elsewhere }] }),
      "invalid-request",
      field("/documents/0", "opens"),
    );
    refused(await post({ ...right, lot: "26442999999999999999" }), "lot-unknown");
    refused(await post({ ...right, documents: [] }), "invalid-request");
    refused(await post(right, firm.token), "forbidden");
    // a gateway without a bureau accepts no deposit
    refused(
      await callAt(second.url, "POST", "/v1/deposits", right, { token: cafe.token }),
      "not-found",
    );
    expect(await (await database())`select 1 from deposits where lot = ${first}`).lengthOf(0);
  });

  it("an alarm: an issuer's gateway lets it issue beyond the drawn quota", async () => {
    const greedy = await second.taxpayer("超额商行", ["issuer"], "300.00");
    const job = createDepositing({
      sql: second.sql,
      audit: partsOf(second, (await sandbox()).deployment),
      log: silent,
      to: { url: (await sandbox()).url, token: greedy.elsewhere },
    });
    await must(issueAt(second, greedy));
    refused(await issueAt(second, greedy), "quota-exceeded");
    // a gateway that loses its records of used quota
    await second.sql`delete from quota_use where taxpayer = ${greedy.index}`;
    await must(issueAt(second, greedy));
    await until("the alarm is raised", async () => {
      await job.run(new AbortController().signal);
      return (await findingsOf(greedy)).includes(`quota-exceeded ${period()}`);
    });
    const row = await quotaRow(greedy);
    expect([row.granted, row.drawn, row.issued.gross, row.issued.invoices]).deep.equals([
      "300.00",
      "300.00",
      "400.00",
      2,
    ]);
    // the bureau grants more and the issuer draws it: the alarm ends
    await must(
      call("PUT", `/v1/taxpayers/${greedy.taxId}/quota`, { period: month(), granted: "1000.00" }),
    );
    await must(
      callAt(
        second.url,
        "POST",
        `/v1/taxpayers/${greedy.taxId}/quota/draws`,
        { period: month(), amount: "700.00" },
        { token: greedy.token },
      ),
    );
    await must(issueAt(second, greedy));
    await until("the alarm has ended", async () => {
      await job.run(new AbortController().signal);
      return (await findingsOf(greedy)).length === 0;
    });
  });

  it("documents of another issuer, documents that break a rule, and excessive red letters are alarms", async () => {
    const shop = await taxpayer("改单商行", ["issuer"]);
    const place = await sandbox();
    const sql = await database();
    const vault = await openVault(sql, place.config.MASTER_KEY);
    const audit = partsOf({ vault }, place.deployment);
    const number = await issued(shop, firm);
    await issuedSums(shop, { invoices: 1, gross: "200.00", tax: "11.32" });
    const judged = (
      change: (document: Loose) => Loose,
      reverses: string | null = null,
      leaf: { holder?: string; buyer?: number } = {},
    ): Promise<string[]> =>
      undone(sql, async (tx) => {
        expect(
          await audit.judge(tx, place.bureau.account, [
            await forged(tx, vault, number, change, reverses, leaf),
          ]),
        ).deep.equals([number]);
        return (
          await tx<
            { kind: string }[]
          >`select kind from audit_findings where issuer = ${shop.index} order by kind`
        ).map((row) => row.kind);
      });
    expect(await judged((document) => document)).deep.equals([]);
    expect(
      await judged((document) => ({ ...document, totals: { ...document.totals, gross: "1.00" } })),
    ).deep.equals(["document-invalid"]);
    expect(
      await judged((document) => ({
        ...document,
        seller: { ...document.seller, taxId: firm.taxId },
      })),
    ).deep.equals(["document-invalid"]);
    expect(
      await judged((document) => ({
        ...document,
        seller: { ...document.seller, name: firm.name },
      })),
    ).deep.equals(["document-invalid"]);
    expect(await judged((document) => ({ ...document, buyer: { name: firm.name } }))).deep.equals([
      "document-invalid",
    ]);
    expect(
      await judged((document) => ({ ...document, buyer: { ...document.buyer, name: shop.name } })),
    ).deep.equals(["document-invalid"]);
    expect(await judged((document) => document, null, { buyer: shop.index })).deep.equals([
      "document-invalid",
    ]);
    expect(await judged((document) => document, null, { buyer: 0 })).deep.equals([
      "document-invalid",
    ]);
    expect(await judged((document) => document, null, { holder: ZERO_ACCOUNT })).deep.equals([
      "document-invalid",
    ]);
    // an invalid amount, or a red letter of an invalid number: an alarm, and the audit continues
    expect(
      await judged((document) => ({
        ...document,
        totals: { ...document.totals, gross: "plenty" },
      })),
    ).deep.equals(["document-invalid"]);
    expect(
      await judged((document) => ({
        ...document,
        totals: { net: "-1.00", tax: "0.00", gross: "-1.00" },
        reverses: { number: "none" },
      })),
    ).deep.equals(["document-invalid"]);
    const other = await issued(shop, firm);
    const stranger = await issued(await taxpayer("邻家商行", ["issuer"]), firm);
    expect(await judged(redOf(other, "-200.00"), other)).deep.equals([]);
    expect(await judged(redOf(other, "-200.00"), other, { holder: firm.account })).deep.equals([
      "document-invalid",
    ]);
    expect(await judged(redOf(other, "-200.01"), other)).deep.equals(["red-letter-exceeds"]);
    // another issuer's invoice cannot be reversed, nor one that was never sealed
    expect(await judged(redOf(stranger, "-1.00"), stranger)).deep.equals(["red-letter-exceeds"]);
    expect(await judged(redOf("99999999999999999999", "-1.00"))).deep.equals([
      "red-letter-exceeds",
    ]);
    // a rounding difference of a cent is valid in a line, one of two cents is not
    const rounded = (sign: string, cents: string) => ({
      lines: [
        {
          name: "*餐饮服务*餐费",
          amount: `${sign}100.00`,
          taxRate: "0.06",
          tax: `${sign}6.${cents}`,
        },
      ],
      totals: { net: `${sign}100.00`, tax: `${sign}6.${cents}`, gross: `${sign}106.${cents}` },
    });
    const red = { reverses: { number: other } };
    expect(
      await judged((document) => ({ ...document, ...rounded("-", "01"), ...red }), other),
    ).deep.equals([]);
    expect(
      await judged((document) => ({ ...document, ...rounded("-", "02"), ...red }), other),
    ).deep.equals(["document-invalid"]);
    expect(await judged((document) => ({ ...document, ...rounded("", "01") }))).deep.equals([]);
    expect(await judged((document) => ({ ...document, ...rounded("", "02") }))).deep.equals([
      "document-invalid",
    ]);
  });

  it("a red letter whose documents arrive before its original's is judged after the original's arrive", async () => {
    const shop = await taxpayer("先红商行", ["issuer"]);
    const place = await sandbox();
    const sql = await database();
    const vault = await openVault(sql, place.config.MASTER_KEY);
    const audit = partsOf({ vault }, place.deployment);
    const number = await issued(shop, firm);
    const original = await issued(shop, firm);
    await issuedSums(shop, { invoices: 2, gross: "400.00", tax: "22.64" });
    const judged = (gross: string) =>
      undone(sql, async (tx) => {
        const judge = async (lot: AuditLot): Promise<string[]> => {
          await audit.judge(tx, place.bureau.account, [lot]);
          return exceedingOf(tx, shop);
        };
        const [row] = await tx<
          { salt: Buffer }[]
        >`select salt from invoices where number = ${original}`;
        const [lot] = await tx<
          AuditLot[]
        >`select first, count, issuer, time, root, false as late from lots where first = ${original}`;
        // as if another gateway had not deposited them yet
        await tx`update invoices set salt = ${randomBytes(32)} where number = ${original}`;
        const before = await judge(
          await forged(tx, vault, number, redOf(original, gross), original),
        );
        await tx`update invoices set salt = ${row?.salt ?? null} where number = ${original}`;
        return [before, await judge(lot as AuditLot)];
      });
    expect(await judged("-200.00")).deep.equals([[], []]);
    expect(await judged("-200.01")).deep.equals([[], [original]]);
  });

  it("two auditors at once judge red letters of one original, of two months: they detect a sum above the original", async () => {
    const shop = await second.taxpayer("双红商行", ["issuer"]);
    const place = await sandbox();
    const numbers: string[] = [];
    for (let i = 0; i < 3; i += 1) {
      const { number } = await must(issueAt(second, shop));
      await until(
        "it is sealed",
        async () => (await second.sql`select 1 from lots where first = ${number}`).length > 0,
      );
      numbers.push(number);
    }
    const [original = "", ...reds] = numbers;
    const audit = partsOf(second, place.deployment);
    const finished: string[] = [];
    // each commits when the other one is done, or waits for a lock
    const judge = (number: string) =>
      second.sql.begin(async (tx) => {
        const lot = await forged(tx, second.vault, number, redOf(original, "-150.00"), original);
        // of two months, so that they do not share a sum
        const at = Date.now() - (number === reds[0] ? 0 : 40 * 86_400_000);
        await tx`update invoices set accepted_at = ${new Date(at)} where number = ${number}`;
        await audit.judge(tx, place.bureau.account, [
          { ...lot, time: BigInt(Math.floor(at / 1_000)) },
        ]);
        finished.push(number);
        await until("the other one is done, or waits", async () => {
          const waiting =
            await second.sql`select 1 from pg_locks where locktype = 'advisory' and not granted
            and database = (select oid from pg_database where datname = current_database())`;
          return finished.length === reds.length || waiting.length > 0;
        });
      });
    await Promise.all(reds.map(judge));
    expect(await second.sql.begin((tx) => exceedingOf(tx, shop))).deep.equals([original]);
  });

  it("with auditors killed at any moment and started again, several at once, every lot counts once", async () => {
    const busy = await taxpayer("忙碌商行", ["issuer"]);
    const place = await sandbox();
    const sql = await database();
    for (let round = 0; round < 4; round += 1)
      await Promise.all(Array.from({ length: 3 }, () => issued(busy, firm)));
    await issuedSums(busy, { invoices: 12, gross: "2400.00", tax: "135.84" });
    // restarted for this issuer, by three auditors that abort again and again
    const vault = await openVault(sql, place.config.MASTER_KEY);
    const breaking = {
      ...vault,
      seal: (...sealed: Parameters<typeof vault.seal>) =>
        randomInt(3) === 0 ? fail() : vault.seal(...sealed),
    };
    const fail = (): never => {
      throw new Error("killed");
    };
    await sql.begin(async (tx) => {
      await tx`delete from audit_sums where issuer = ${busy.index}`;
      await tx`update audit_lots a set state = 'waiting', next_at = now() from lots l where l.first = a.first and l.issuer = ${busy.index}`;
    });
    const newAuditing = () =>
      createAuditing({
        sql,
        audit: partsOf({ vault: breaking }, place.deployment),
        log: silent,
        patienceSeconds: 300,
      });
    await until("all lots are added up", async () => {
      // postponed lots are tried at once
      await sql`update audit_lots a set next_at = now() from lots l where a.state = 'waiting' and l.first = a.first and l.issuer = ${busy.index}`;
      await Promise.allSettled(
        [newAuditing(), newAuditing(), newAuditing()].map((auditing) =>
          auditing.job.run(new AbortController().signal),
        ),
      );
      return (await quotaRow(busy))?.issued.invoices >= 12;
    });
    await issuedSums(busy, { invoices: 12, gross: "2400.00", tax: "135.84" });
  });

  it("a lot that cannot be judged is postponed; other and later lots are added up", async () => {
    const shops = await Promise.all(
      ["甲", "乙", "丙"].map((name) => second.taxpayer(`${name}商行`, ["issuer"])),
    );
    const place = await sandbox();
    const firsts: string[] = [];
    for (const shop of shops) {
      const { number } = await must(issueAt(second, shop));
      await until(
        "it is sealed",
        async () => (await second.sql`select 1 from lots where first = ${number}`).length > 0,
      );
      firsts.push(number);
    }
    // where no other auditor works at the same time
    const parts = partsOf(second, place.deployment);
    let judging = 0;
    const failing = (at: string | undefined) => ({
      ...parts,
      bureauOf: async () => place.bureau.account,
      judge: async (...[tx, bureau, lots]: Parameters<typeof parts.judge>) => {
        const done = await parts.judge(tx, bureau, lots);
        judging += 1;
        if (lots.some(({ first }) => first === at))
          throw new Error("a rule that nobody has thought of");
        return done;
      },
    });
    const states = async () => {
      const rows = await second.sql<
        { first: string; state: string }[]
      >`select first, state from audit_lots where first = any(${firsts}::numeric[])`;
      return firsts.map((first) => rows.find((row) => row.first === first)?.state);
    };
    const invoices = async () => {
      const pages = await Promise.all(
        shops.map(({ index }) => parts.quotas(second.sql, period(), index - 1, 1)),
      );
      return pages.map(([row]) => row?.issued.invoices);
    };
    const run = (at?: string) =>
      createAuditing({
        sql: second.sql,
        audit: failing(at),
        log: silent,
        patienceSeconds: 300,
      }).job.run(new AbortController().signal);
    await run(firsts[1]);
    expect(await states()).deep.equals(["summed", "waiting", "summed"]);
    expect(await invoices()).deep.equals([1, 0, 1]);
    // not again at once: it would delay the others
    const before = judging;
    await run(firsts[1]);
    expect(judging).equals(before);
    await second.sql`update audit_lots set next_at = now() where first = ${firsts[1] ?? ""}`;
    await run();
    expect(await states()).deep.equals(["summed", "summed", "summed"]);
    expect(await invoices()).deep.equals([1, 1, 1]);
  });

  it("an invoice that was imported by its bundle is not a lot of this gateway: it is neither added up nor deposited", async () => {
    const shop = await second.taxpayer("带票商行", ["issuer"]);
    const { number } = await must(issueAt(second, shop));
    const first = await lotOf(number);
    const bundle = await must(
      callAt(second.url, "GET", `/v1/invoices/${number}/bundle`, undefined, { token: shop.token }),
    );
    await must(call("POST", "/v1/invoices/import", bundle, { token: shop.elsewhere }));
    const [sql, { config, deployment }] = [await database(), await sandbox()];
    const here = partsOf({ vault: await openVault(sql, config.MASTER_KEY) }, deployment);
    const [lot] = await sql<
      SealedLot[]
    >`select first, count, issuer, time, root from lots where first = ${first}`;
    if (!lot) throw new Error("the lot is not known");
    expect(lot.count).equals(1);
    expect(await here.documentsOf(sql, lot)).equals(undefined);
    const { jwk } = await here.depositKey(sql);
    expect(await here.ownDeposit(sql, jwk, lot)).equals(undefined);
    // a lot of its own gateway is
    expect(
      (await partsOf(second, deployment).ownDeposit(second.sql, jwk, lot))?.documents.map(
        (document) => document.number,
      ),
    ).deep.equals([number]);
  });

  it("alarms keep their place in the feed when the projections are replayed", async () => {
    const { databaseUrl, deployment } = await sandbox();
    const alarms = await (await database())`select 1 from feed where type = 'audit.alarm'`;
    expect(alarms.length).greaterThan(1);
    const { differences } = await checkProjections({
      sql: await database(),
      databaseUrl,
      chain: await chain(),
      contracts: createContracts(deployment),
      projections,
      log: silent,
      finalityDepth: 0,
      progress: () => {},
    });
    expect(differences).deep.equals([]);
  });
});
