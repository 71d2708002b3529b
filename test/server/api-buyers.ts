/**
 * Buyers that are not enrolled: an invoice titled to a company of the directory enrols it, once,
 * whatever fails meanwhile; the company takes over its account when it joins.
 */
import { createServer, request as forward, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { Wallet } from "ethers";
import {
  call,
  callAt,
  freshTaxId,
  invoiceOf,
  type Loose,
  must,
  person,
  type Reply,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { database, record, refused, until } from "./observe.ts";
import { type GatewayProcess, moveOut } from "./support/gateway-process.ts";
import { whileNoBlockComes } from "./support/holding.ts";
import { sendLines } from "./support/lines.ts";
import { openSecondGateway, type SecondGateway } from "./support/second-gateway.ts";

const PATH = "/v1/taxpayers/directory";
type Company = { taxId: string; name: string };

describe("buyers that are not enrolled", function () {
  this.timeout(120_000);
  let shop: TestParty;
  let otherShop: TestParty;
  let firm: TestParty;
  let serial = 0;

  /** A company that the directory has, and the chain does not. */
  async function listed(name = `名册公司${Date.now()}${serial++}`): Promise<Company> {
    const { url, bureau } = await sandbox();
    const company = { taxId: freshTaxId(), name };
    const { last } = await sendLines(`${url}${PATH}`, [company], bureau);
    expect(last).deep.include({ done: true, changed: 1 });
    return company;
  }
  const issue = (seller: TestParty, buyer: Company, more = {}, wait = 20): Promise<Reply> =>
    call("POST", "/v1/invoices", invoiceOf(seller, buyer, more), { token: seller.token, wait });
  const taxpayerOf = (taxId: string) => call("GET", `/v1/taxpayers/${taxId}`);
  const suspended = (taxId: string): Promise<Loose> =>
    until("it is suspended", async () => {
      const { body } = await taxpayerOf(taxId);
      return body.standing === "suspended" && body;
    });
  /** Enrolments that were begun under this account's tax id. */
  async function enrolments(taxId: string): Promise<number> {
    const { account } = (await must(taxpayerOf(taxId))) as { account: string };
    const rows = await (await database())`
      select 1 from operations where kind = 'enrol' and command->'args'->>0 = ${account}`;
    return rows.length;
  }
  /** Works with other settings of the bureau's gateway. */
  async function withSettings<T>(
    settings: Partial<Awaited<ReturnType<typeof sandbox>>["config"]>,
    work: () => Promise<T>,
  ): Promise<T> {
    const place = await sandbox();
    const before = { ...place.config };
    Object.assign(place.config, settings);
    await place.restart();
    try {
      return await work();
    } finally {
      Object.assign(place.config, before);
      await place.restart();
    }
  }

  before(async () => {
    [shop, otherShop, firm] = await Promise.all([
      taxpayer("小面馆", ["issuer"]),
      taxpayer("大面馆", ["issuer"]),
      taxpayer("老客户有限公司", ["employer"]),
    ]);
  });

  it("an invoice enrols its buyer as a suspended employer, and is sealed and titled to it", async () => {
    const company = await listed();
    refused(await taxpayerOf(company.taxId), "not-found");
    const title = await call("GET", `/v1/titles/${company.taxId}`, undefined, shop);
    expect(title.body).deep.equals(company);
    const { status, body } = await issue(shop, company);
    expect([status, body.status], JSON.stringify(body)).deep.equals([201, "issued"]);
    const enrolled = await suspended(company.taxId);
    expect(enrolled).deep.include({
      ...company,
      capabilities: ["employer"],
      standing: "suspended",
      dormant: true,
    });
    const { leaf } = await must(call("GET", `/v1/invoices/${body.number}/bundle`, undefined, shop));
    expect(leaf.buyer).equals(enrolled.index);
    expect(await enrolments(company.taxId)).equals(1);
  });

  it("two shops and a batch issue to one company at once: it is enrolled once, all are accepted", async () => {
    const { url } = await sandbox();
    const company = await listed();
    const batch = Array.from({ length: 20 }, () => invoiceOf(otherShop, company));
    const [singles, { last }] = await Promise.all([
      Promise.all(Array.from({ length: 6 }, () => issue(shop, company))),
      sendLines(`${url}/v1/invoices/batch`, batch, otherShop),
    ]);
    expect(singles.map(({ status }) => status)).deep.equals(Array(6).fill(201));
    expect(last).deep.equals({ done: true, accepted: 20, replayed: 0, refused: 0 });
    expect(await enrolments(company.taxId)).equals(1);
  });

  it("while the enrolment waits for the chain, other invoices of the shop are accepted", async () => {
    const company = await listed();
    let waiting: Promise<Reply> | undefined;
    await whileNoBlockComes(async () => {
      waiting = issue(shop, company);
      const sql = await database();
      await until("the enrolment is begun", async () => {
        const [row] = await sql`
          select 1 from buyer_enrolments where requested_by = ${shop.account}
            and not exists (select 1 from taxpayers t where t.account = buyer_enrolments.account)`;
        return row !== undefined;
      });
      const other = await issue(shop, firm, {}, 0);
      expect([other.status, other.body.status]).deep.equals([202, "accepted"]);
    });
    expect((await waiting)?.status).equals(201);
  });

  it("an enrolment that the chain does not take up in time refuses the invoice; the same one again is issued", async () => {
    const company = await listed();
    const key = crypto.randomUUID();
    const send = () =>
      call("POST", "/v1/invoices", invoiceOf(shop, company), { token: shop.token, key });
    await withSettings({ BUYER_WAIT_SECONDS: 1 }, () =>
      whileNoBlockComes(async () => refused(await send(), "buyer-enrolling")),
    );
    const { status } = await until("the chain has it", async () => {
      const reply = await send();
      return reply.body.code !== "buyer-enrolling" && reply;
    });
    expect(status).equals(201);
    expect(await enrolments(company.taxId)).equals(1);
  });

  it("an invoice that calls the buyer otherwise than the directory enrols nobody", async () => {
    const company = await listed();
    refused(await issue(shop, { ...company, name: "别的名字" }), "name-not-enrolled", {
      field: "/buyer/name",
      rule: "buyer-name",
    });
    refused(
      await issue(
        shop,
        { ...company, name: `${company.name} ` },
        { holder: Wallet.createRandom().address },
      ),
      "receiver-invalid",
    );
    refused(await taxpayerOf(company.taxId), "not-found");
  });

  it("a tax id that is in no directory is refused, or enrolled under the invoice's words, as it is set", async () => {
    const company = { taxId: freshTaxId(), name: "无册公司" };
    refused(await issue(shop, company), "buyer-not-enrolled", {
      field: "/buyer/taxId",
      rule: "buyer-enrolled",
    });
    await withSettings({ UNLISTED_BUYERS: "enrol" }, async () => {
      expect((await issue(shop, company)).status).equals(201);
      expect(await suspended(company.taxId)).deep.include({ ...company, dormant: true });
    });
  });

  it("a shop causes so many enrolments in a day, and goes on issuing to those that are enrolled", async () => {
    const spammer = await taxpayer("滥开店", ["issuer"]);
    const [first, second, third] = [await listed(), await listed(), await listed()];
    await withSettings({ BUYERS_PER_DAY: 2 }, async () => {
      const both = await Promise.all([issue(spammer, first), issue(spammer, second)]);
      expect(both.map(({ status }) => status)).deep.equals([201, 201]);
      const limit = refused(await issue(spammer, third), "enrolment-limit");
      expect(limit["maxEnrolments"]).equals(2);
      refused(await taxpayerOf(third.taxId), "not-found");
      expect((await issue(spammer, first)).status).equals(201);
    });
  });

  describe("the company joins", () => {
    it("keeps its account, gets its own key and access, and claims what was titled to it before", async () => {
      const company = await listed();
      const holder = await person(firm, "采购员");
      const { number } = (await issue(shop, company, { holder: holder.account })).body;
      const dormant = await suspended(company.taxId);
      const claim = () =>
        call("POST", "/v1/claims", { employer: company.taxId, invoices: [number] }, holder);
      refused(await claim(), "employer-not-active");

      const wallet = Wallet.createRandom();
      const joined = await must(
        call("POST", "/v1/taxpayers", {
          ...company,
          capabilities: ["issuer", "employer"],
          currency: "EUR",
          key: { custody: "own", address: wallet.address },
        }),
      );
      expect(joined).deep.equals({
        ...company,
        account: dormant.account,
        index: dormant.index,
        capabilities: ["issuer", "employer"],
        standing: "active",
        region: "44",
        currency: "EUR",
      });
      const key = await must(
        call("POST", "/v1/api-keys", { account: joined.account, roles: ["admin"] }),
      );
      const own = await call("GET", "/v1/invoices?as=employer", undefined, key);
      expect(own.body.items.map((item: Loose) => item.number)).deep.equals([number]);
      expect((await must(claim())).status).equals("claimed");
      const [row] = await (await database())<{ key: string }[]>`
        select key from accounts where account = ${joined.account}`;
      expect(row?.key).equals(wallet.address);
      refused(
        await call("POST", "/v1/taxpayers", { ...company, capabilities: ["employer"] }),
        "tax-id-enrolled",
      );
      expect(await record(number)).deep.include({ employer: joined.index, titled: true });
    });

    it("under another name: it counts from today on, and the first one stays for earlier days", async () => {
      const company = await listed();
      await must(issue(shop, company));
      await suspended(company.taxId);
      const name = `${company.name}（新）`;
      const joined = await must(
        call("POST", "/v1/taxpayers", { taxId: company.taxId, name, capabilities: ["employer"] }),
      );
      expect(joined).deep.include({ name, standing: "active" });
      const { items } = await must(call("GET", `/v1/taxpayers/${company.taxId}/names`));
      expect(items.map((item: Loose) => item.name)).deep.equals([company.name, name]);
    });

    it("with a key that is another party's: refused, and it stays dormant", async () => {
      const company = await listed();
      await must(issue(shop, company));
      await suspended(company.taxId);
      refused(
        await call("POST", "/v1/taxpayers", {
          ...company,
          capabilities: ["employer"],
          key: { custody: "own", address: firm.account },
        }),
        "account-enrolled",
      );
      expect((await must(taxpayerOf(company.taxId))).dormant).equals(true);
    });
  });

  describe("at another gateway, which asks the bureau's", () => {
    let second: SecondGateway;
    let seller: TestParty;
    let server: Server;
    /** Called before an enrolment's answer goes back; it may break the connection. */
    let answering: ((path: string) => Promise<"lose" | undefined>) | undefined;
    let asked = 0;
    let gateway: GatewayProcess | undefined;

    before(async () => {
      const way = await taxpayer("通道商户", ["issuer"]);
      server = createServer(async (request, response) => {
        const { url } = await sandbox();
        const path = request.url ?? "";
        const isEnrolment = request.method === "POST" && path === `${PATH}/enrolments`;
        if (isEnrolment) asked += 1;
        const { hostname, port } = new URL(url);
        const passed = forward(
          {
            hostname,
            port,
            path,
            method: request.method,
            headers: { ...request.headers, host: new URL(url).host },
          },
          async (answer) => {
            const fate = isEnrolment ? await answering?.(path) : undefined;
            if (fate === "lose") return void response.destroy();
            response.writeHead(answer.statusCode ?? 500, answer.headers);
            answer.pipe(response);
          },
        );
        passed.on("error", () => response.destroy());
        request.pipe(passed);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      second = await openSecondGateway({
        DIRECTORY_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        DIRECTORY_TOKEN: way.token,
      });
      seller = await second.taxpayer("外埠商店", ["issuer"]);
    });

    after(async () => {
      server?.closeAllConnections();
      server?.close();
      if (gateway) await (await sandbox()).restart();
    });

    const there = (method: string, path: string, body?: unknown): Promise<Reply> =>
      callAt(second.url, method, path, body, { token: seller.token });
    const issueThere = (buyer: Company) => there("POST", "/v1/invoices", invoiceOf(seller, buyer));

    it("searches the bureau's directory, and issues to a company of it", async () => {
      const company = await listed();
      const { items } = await must(
        there("GET", `${PATH}?${new URLSearchParams({ name: company.name.slice(2) })}`),
      );
      expect(items).deep.equals([company]);
      expect((await must(there("GET", `/v1/titles/${company.taxId}`))).name).equals(company.name);
      expect((await issueThere(company)).status).equals(201);
      expect(await suspended(company.taxId)).deep.include({ ...company, dormant: true });
      // both gateways show the same buyer
      const again = await issue(shop, company);
      expect(again.status).equals(201);
      expect(await enrolments(company.taxId)).equals(1);
    });

    it("issues to a company that was enrolled elsewhere, and that nobody brought here", async () => {
      expect((await issueThere(firm)).status).equals(201);
    });

    it("passes the bureau's refusal on, at the document's fields", async () => {
      const company = await listed();
      refused(await issueThere({ ...company, name: "写错了" }), "name-not-enrolled", {
        field: "/buyer/name",
        rule: "buyer-name",
      });
      refused(await issueThere({ taxId: freshTaxId(), name: "无册" }), "buyer-not-enrolled", {
        field: "/buyer/taxId",
        rule: "buyer-enrolled",
      });
    });

    it("the answer is lost: it asks again, and the company is enrolled once", async () => {
      const company = await listed();
      asked = 0;
      answering = async () => (asked === 1 ? "lose" : undefined);
      expect((await issueThere(company)).status).equals(201);
      answering = undefined;
      expect(asked).equals(2);
      expect(await enrolments(company.taxId)).equals(1);
    });

    it("the bureau's gateway is killed between enrolment and answer: enrolled once, issued once it is back", async () => {
      const company = await listed();
      const place = await sandbox();
      gateway = await moveOut(place, "info");
      asked = 0;
      answering = async () => {
        if (asked > 1) return undefined;
        gateway?.kill();
        await place.restart();
        gateway = undefined;
        return "lose";
      };
      const reply = await until("it is issued", async () => {
        const tried = await issueThere(company);
        return tried.body.code !== "buyer-enrolling" && tried;
      });
      answering = undefined;
      expect(reply.status, JSON.stringify(reply.body)).equals(201);
      expect(await enrolments(company.taxId)).equals(1);
      expect((await suspended(company.taxId)).dormant).equals(true);
    });

    it("an answer that names another company, or one that the registry does not have, is not believed", async () => {
      const company = await listed();
      const identity = await must(call("GET", `/v1/taxpayers/${firm.taxId}/identity`));
      const liars = [identity, { ...identity, taxId: company.taxId, name: company.name }];
      for (const lie of liars) {
        const liar = createServer((_request, response) =>
          response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(lie)),
        );
        await new Promise<void>((resolve) => liar.listen(0, "127.0.0.1", resolve));
        const third = await openSecondGateway({
          DIRECTORY_URL: `http://127.0.0.1:${(liar.address() as AddressInfo).port}`,
          DIRECTORY_TOKEN: "0123456789abcdef",
          BUYER_WAIT_SECONDS: "1",
        });
        const shopThere = await third.taxpayer("轻信商店", ["issuer"]);
        refused(
          await callAt(third.url, "POST", "/v1/invoices", invoiceOf(shopThere, company), shopThere),
          "buyer-enrolling",
        );
        expect(
          await third.sql`select 1 from parties where created_by <> ${shopThere.account}`,
        ).lengthOf(0);
        liar.closeAllConnections();
        liar.close();
      }
    });

    it("a gateway that neither has the bureau nor knows its gateway refuses the buyer", async () => {
      const alone = await openSecondGateway();
      const shopThere = await alone.taxpayer("独立商店", ["issuer"]);
      const company = await listed();
      const ask = (path: string, body: unknown) => callAt(alone.url, "POST", path, body, shopThere);
      refused(await ask("/v1/invoices", invoiceOf(shopThere, company)), "buyer-not-enrolled");
      refused(await ask(`${PATH}/enrolments`, company), "not-found");
    });
  });
});
