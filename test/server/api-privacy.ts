/**
 * Nothing readable (design §5.4): a gateway that logs everything enrols parties, and issues
 * invoices in every format, which are transferred, claimed, rejected, reimbursed, reversed and
 * refused. None of the documents' words is then in the database, the log or the chain's calldata,
 * in any encoding of bytes.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { ZeroAddress } from "ethers";
import { samplesRoot } from "../formats/samples.ts";
import {
  call,
  freshTaxId,
  invoiceOf,
  type Loose,
  must,
  person,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { database, refused, until, untilStatus } from "./observe.ts";
import { type GatewayProcess, moveOut } from "./support/gateway-process.ts";
import { startReceiver, status } from "./support/receiver.ts";

/**
 * The text in each form that a dump can contain: plain, escaped for JSON, percent-encoded, in hex,
 * and in base64 at each of its three alignments.
 */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const base64 = [0, 1, 2].map((shift) => {
    const whole = Buffer.concat([Buffer.alloc(shift), bytes]).toString("base64");
    // without the characters that contain bits of the neighbours
    return whole.slice(shift === 0 ? 0 : shift + 1, Math.floor(((shift + bytes.length) * 8) / 6));
  });
  const escaped = [...secret]
    .map((c) => (c > "~" ? `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}` : c))
    .join("");
  return [secret, escaped, encodeURIComponent(secret), bytes.toString("hex"), ...base64].filter(
    (form) => form.length >= 4,
  );
}
const secretsIn = (dump: string, secrets: readonly string[]): string[] => {
  const lower = dump.toLowerCase();
  return secrets.filter((secret) =>
    formsOf(secret).some((form) => lower.includes(form.toLowerCase())),
  );
};

describe("nothing readable", function () {
  this.timeout(120_000);
  const secrets: string[] = [];
  /** Marks a text as a secret that no dump may contain. */
  const secret = (text: string): string => {
    secrets.push(text);
    return text;
  };
  let gateway: GatewayProcess | undefined;
  let shop: TestParty;
  let firm: TestParty;
  const numbers: string[] = [];

  before(async () => {
    gateway = await moveOut(await sandbox(), "debug");
  });

  after(async () => {
    if (gateway !== undefined) await (await sandbox()).restart();
  });

  it("the test makes every request that could leak a document's words", async () => {
    [shop, firm] = await Promise.all([
      taxpayer(secret("琥珀云栖餐饮管理有限公司"), ["issuer", "employer"], {
        quota: "9999999999999.00",
      }),
      taxpayer(secret("青瓷远山精密仪器有限公司"), ["employer"]),
    ]);
    for (const each of [shop, firm]) {
      secret(each.taxId);
      secret(each.token.split(".")[1] as string);
    }
    const [ann, bob] = await Promise.all([
      person(firm, secret("欧阳若曦霖")),
      person(firm, secret("司徒墨竹轩")),
    ]);
    for (const each of [ann, bob]) secret(each.token.split(".")[1] as string);
    const [net, tax, gross] = ["7771244776.00", "466274686.56", "8237519462.56"].map(secret) as [
      string,
      string,
      string,
    ];
    for (const amount of [net, tax, gross]) {
      const cents = BigInt(amount.replace(".", ""));
      secret(cents.toString());
      secret(cents.toString(16));
    }
    const rich = {
      lines: [
        {
          name: secret("*餐饮服务*松茸炖蛋私宴"),
          spec: secret("牡丹厅包间规格"),
          unit: "次",
          quantity: "1",
          unitPrice: net,
          amount: net,
          taxRate: "0.06",
          tax,
        },
      ],
      totals: { net, tax, gross },
      remark: secret("宴请客户西门吹雪团队"),
      drawer: secret("慕容晓晓開票"),
      passengers: [
        {
          traveller: secret("诸葛行者旅客"),
          idNumber: secret("440301199003078812"),
          from: secret("漠河北极村站"),
          to: secret("三沙永兴岛站"),
        },
      ],
      sourceId: secret("POS-SECRET-7781-ORIGINAL"),
    };
    const key = crypto.randomUUID();
    const body = invoiceOf(shop, firm, { ...rich, holder: ann.account });
    const issue = (more: unknown, options: { key?: string; type?: string } = {}) =>
      call("POST", "/v1/invoices", more, { token: shop.token, ...options });
    const first = (await must(issue(body, { key }))).number as string;
    expect((await issue(body, { key })).headers.get("idempotency-replayed")).equals("true");
    numbers.push(first);

    // XML, stored as it arrived
    const own = (name: string, folder: string) =>
      readFileSync(join(samplesRoot, folder, name), "utf8");
    const source = own("03-ride-passenger.xml", "shudian");
    const inside = (tag: string) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(source)?.[1] ?? "";
    const number = `2644${Date.now()}000`.padEnd(20, "7").slice(0, 20);
    const xml = source
      .replaceAll(inside("InvoiceNumber"), secret(number))
      .replaceAll(inside("SellerIdNum"), shop.taxId)
      .replaceAll(inside("SellerName"), shop.name)
      .replaceAll(inside("BuyerIdNum") || "<none>", firm.taxId)
      .replace(/<BuyerName>[^<]*/, `<BuyerName>${firm.name}`);
    for (const tag of ["Traveler", "ValidIDNumber", "SellerBankAccNum", "Drawer"])
      if (inside(tag).length >= 3) secret(inside(tag));
    const asXml = await issue(xml, { type: "application/xml" });
    expect(asXml.status, JSON.stringify(asXml.body)).equals(201);
    numbers.push(asXml.body.number);

    // refusals: each answer quotes the refused value
    refused(await issue(invoiceOf(shop, firm, rich)), "duplicate-source");
    refused(
      await issue({ ...body, totals: { ...rich.totals, gross: secret("8237519463.57") } }),
      "invalid-document",
    );
    refused(
      await issue({ ...body, remark: secret("换了内容的备注词句") }, { key }),
      "idempotency-key-reused",
    );
    refused(await issue(`{"remark": "${secret("半截请求里的话")}`), "malformed-document");
    refused(
      await issue(
        invoiceOf({ taxId: secret(freshTaxId()), name: secret("并非本人的销售方") }, firm),
      ),
      "seller-not-caller",
    );
    refused(
      await issue(
        invoiceOf(shop, { taxId: secret("DE887766554"), name: secret("尚未登记的购买方") }),
      ),
      "buyer-not-enrolled",
    );
    const wrong = {
      name: secret("登记失败有限公司"),
      taxId: secret(freshTaxId()),
      capabilities: ["issuer"],
      key: { custody: "own", address: ZeroAddress },
    };
    refused(await call("POST", "/v1/taxpayers", wrong), "zero-address");
    refused(await call("GET", `/v1/taxpayers/${secret(freshTaxId())}`), "not-found");
    refused(
      await call(
        "GET",
        `/v1/invoices?note=${encodeURIComponent(secret("查询串里的秘密"))}`,
        undefined,
        { token: shop.token },
      ),
      "invalid-request",
    );
    const find = new URLSearchParams({
      sourceId: secret("FIND-ORIGINAL-9917"),
      buyer: secret(freshTaxId()),
      seller: secret(freshTaxId()),
    });
    expect(
      (await call("GET", `/v1/invoices?${find}`, undefined, { token: shop.token })).body,
    ).deep.equals({ items: [] });
    refused(
      await call("GET", `/v1/invoices?${find}&as=nobody`, undefined, { token: shop.token }),
      "invalid-request",
    );
    refused(
      await call("GET", `/v1/${encodeURIComponent(secret("路径里面的秘密"))}`, undefined, {
        token: shop.token,
      }),
      "not-found",
    );
    refused(
      await call("GET", "/v1/claims", undefined, {
        token: `abc.${secret("presented-but-wrong-secret")}`,
      }),
      "unauthenticated",
    );

    // the invoice's life
    const { id: transfer } = await must(
      call("POST", `/v1/invoices/${first}/transfers`, { to: bob.account }, { token: ann.token }),
    );
    await must(call("POST", `/v1/transfers/${transfer}/accept`, undefined, { token: bob.token }));
    const claim = async (note: string) =>
      (
        await must(
          call(
            "POST",
            "/v1/claims",
            { employer: firm.taxId, invoices: [first], note },
            { token: bob.token },
          ),
        )
      ).id;
    const rejected = await claim(secret("差旅报销附言第一版"));
    await must(
      call(
        "POST",
        `/v1/claims/${rejected}/reject`,
        { reason: secret("超出部门接待标准了") },
        { token: firm.token },
      ),
    );
    const paid = await claim(secret("差旅报销附言第二版"));
    await must(call("POST", `/v1/claims/${paid}/reimburse`, undefined, { token: firm.token }));
    refused(
      await call("POST", `/v1/claims/${paid}/reimburse`, undefined, { token: firm.token }),
      "already-reimbursed",
    );

    const negative = {
      lines: [
        {
          name: "*餐饮服务*餐费",
          amount: `-${net}`,
          taxRate: "0.06",
          tax: `-${tax}`,
          quantity: "-1",
          unitPrice: net,
        },
      ],
      totals: { net: `-${net}`, tax: `-${tax}`, gross: `-${gross}` },
    };

    // book entry, an external invoice, and its credit note
    const entered = {
      mark: "02",
      invoices: [first],
      voucher: secret("记账凭证第8812号"),
      period: "2026-11",
    };
    await must(call("POST", "/v1/entries", entered, { token: firm.token }));
    refused(
      await call(
        "POST",
        "/v1/entries",
        { ...entered, voucher: secret("重复入账的凭证号") },
        { token: firm.token },
      ),
      "already-entered",
    );
    const elsewhere = {
      ...invoiceOf(
        { taxId: secret(freshTaxId()), name: secret("外地老字号茶楼店") },
        { name: secret("外票的个人抬头名") },
        rich,
      ),
      sourceId: secret("EXTERNAL-ORIGINAL-5521"),
    };
    const external = (body: unknown, type = "application/json") =>
      call("POST", `/v1/external-invoices?holder=${ann.account}`, body, {
        token: firm.token,
        type,
      });
    const registered = await must(external(elsewhere));
    refused(await external(elsewhere), "external-registered");
    const noted = await must(
      call(
        "POST",
        "/v1/external-invoices",
        {
          ...elsewhere,
          ...negative,
          sourceId: secret("CREDIT-NOTE-ORIGINAL-7711"),
          remark: secret("外票红字冲销的说明"),
          reverses: { sourceId: elsewhere.sourceId },
        },
        { token: firm.token },
      ),
    );
    expect(noted.effects[0].effect).equals("reduces");
    refused(
      await call("POST", "/v1/external-invoices", elsewhere, { token: shop.token }),
      "already-claimed",
    );
    await must(
      call(
        "POST",
        `/v1/claims/${registered.claim.id}/reject`,
        { reason: secret("外票不予报销理由") },
        { token: firm.token },
      ),
    );
    const national = secret(`26449${Date.now()}77`.padEnd(20, "3").slice(0, 20));
    await must(
      external(
        xml.replaceAll(number, national).replaceAll(shop.taxId, secret(freshTaxId())),
        "application/xml",
      ),
    );

    // a pickup: three bodies contain its secret, and the database its encrypted key
    const untitled = invoiceOf(
      shop,
      { name: secret("无抬头的顾客名字") },
      { ...rich, sourceId: secret("POS-PICKUP-7782-ORIGINAL") },
    );
    const { pickup } = await must(issue(untitled));
    secret(pickup.secret);
    secret(pickup.secret.slice(2));
    expect(
      (await call("GET", `/v1/invoices/${pickup.number}/pickup`, undefined, { token: shop.token }))
        .body,
    ).deep.includes(pickup);
    refused(
      await call(
        "POST",
        "/v1/pickups",
        { ...pickup, secret: `${pickup.secret}00` },
        { token: bob.token },
      ),
      "invalid-request",
    );
    const guessed = { number: pickup.number, secret: secret(`0x${"7e57ab1e".repeat(8)}`) };
    refused(await call("POST", "/v1/pickups", guessed, { token: bob.token }), "not-found");
    await must(call("POST", "/v1/pickups", pickup, { token: bob.token }));

    // a red letter that reverses an invoice
    const amounts = {
      lines: [{ name: "*餐饮服务*餐费", amount: net, taxRate: "0.06", tax }],
      totals: rich.totals,
    };
    const { number: reversed } = await must(issue(invoiceOf(shop, firm, amounts)));
    const red = await must(
      issue(
        invoiceOf(shop, firm, {
          ...negative,
          remark: secret("红字冲销说明文字"),
          reverses: { number: reversed },
        }),
      ),
    );
    await untilStatus(reversed, "reversed");
    numbers.push(reversed, red.number);
    // a webhook's address may contain a password, and its secret signs; the gateway also logs a
    // failed delivery
    const endpoint = await startReceiver();
    try {
      const subscribe = (url: string) =>
        call(
          "POST",
          "/v1/webhooks",
          { url, description: secret("财务系统回调地址") },
          { token: shop.token },
        );
      refused(
        await subscribe(`http://127.0.0.1:9/${secret("webhook-path-geheim-4711")}`),
        "webhook-test-failed",
      );
      const made = await must(subscribe(`${endpoint.url}/${secret("hook-token-beef-0815")}`));
      secret(made.secret);
      secret((made.secret as string).replace("whsec_", ""));
      endpoint.answer = status(500);
      await must(issue(invoiceOf(shop, firm, { holder: ann.account })));
      await until("a delivery has failed", async () => endpoint.ids().length > 0);
    } finally {
      await endpoint.close();
    }
    // others get grants, and the gateway logs each read
    await must(
      call("POST", `/v1/invoices/${first}/grants`, { to: ann.account }, { token: bob.token }),
    );
    expect(
      (await call("GET", `/v1/invoices/${first}/bundle`, undefined, { token: ann.token })).status,
    ).equals(200);
    // the issuer reads all documents as well
    for (const each of numbers)
      expect(
        (await call("GET", `/v1/invoices/${each}`, undefined, { token: shop.token })).status,
      ).equals(200);
  });

  it("not in the database, in any table", async () => {
    const sql = await database();
    const tables = await sql<
      { name: string }[]
    >`select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`;
    expect(tables.map(({ name }) => name)).includes.members([
      "invoices",
      "idempotency",
      "operations",
      "sends",
      "feed",
      "parties",
      "claims",
      "external_invoices",
      "external_credits",
      "external_credit_effects",
      "entry_words",
      "quota_use",
      "stats_buckets",
      "stats_issuers",
      "api_keys",
      "grants",
      "reads",
    ]);
    const seen = new Set<string>();
    for (const { name } of tables) {
      const rows = await sql.unsafe<{ text: string }[]>(`select t::text as text from ${name} t`);
      const dump = rows.map(({ text }) => text).join("\n");
      expect(secretsIn(dump, secrets), name).deep.equals([]);
      // the search works: it finds the plain values
      for (const each of [...numbers, shop.account])
        if (secretsIn(dump, [each]).length > 0) seen.add(name);
    }
    expect([...seen]).includes.members([
      "invoices",
      "operations",
      "parties",
      "feed",
      "invoice_states",
    ]);
  });

  it("not in the log, with everything logged", async () => {
    await until("the log is written", async () =>
      gateway?.log().includes('"route":"/v1/claims/{id}/reimburse"'),
    );
    const log = gateway?.log() ?? "";
    expect(log)
      .includes('"level":20')
      .and.includes('"route":"/v1/invoices"')
      .and.includes('"code":"duplicate-source"');
    const { config, bureau } = await sandbox();
    const password = new URL(config.DATABASE_URL).password;
    // a word that the log can contain for other reasons cannot serve as a password here
    const settings = [
      config.MASTER_KEY,
      bureau.token.split(".")[1] as string,
      config.DATABASE_URL,
      ...(password.length > 8 ? [password] : []),
    ];
    expect(secretsIn(log, [...secrets, ...settings])).deep.equals([]);
  });

  it("the log shows which operation a request has made, and which request made an operation", async () => {
    const lines = (gateway?.log() ?? "")
      .split("\n")
      .flatMap((line) =>
        line.startsWith("{") ? [JSON.parse(line) as Record<string, unknown>] : [],
      );
    const made = lines.find(
      (line) => line["route"] === "/v1/claims/{id}/reimburse" && line["operation"] !== undefined,
    );
    const [operation] =
      await (await database())`select kind from operations where id = ${String(made?.["operation"])}`;
    expect(operation?.kind).equals("reimburse");
    expect(made?.["requestId"]).matches(/^[\w-]{36}$/);
  });

  it("not on the chain, in any transaction or event", async () => {
    const { rpcUrl, deployment } = await sandbox();
    const rpc = async (requests: { method: string; params: unknown[] }[]): Promise<Loose[]> => {
      const body = JSON.stringify(requests.map((each, id) => ({ jsonrpc: "2.0", id, ...each })));
      const answers = (await (
        await fetch(rpcUrl, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body,
        })
      ).json()) as { result: unknown }[];
      return answers.map(({ result }) => result);
    };
    const sql = await database();
    const sent = await sql<
      { block: bigint }[]
    >`select distinct block from sends where block is not null order by block`;
    const hex = (n: bigint | number) => `0x${n.toString(16)}`;
    let calldata = "";
    for (let from = 0; from < sent.length; from += 100) {
      const blocks = await rpc(
        sent
          .slice(from, from + 100)
          .map(({ block }) => ({ method: "eth_getBlockByNumber", params: [hex(block), true] })),
      );
      for (const { transactions } of blocks)
        for (const { input } of transactions) calldata += `${input}\n`;
    }
    const [logs] = await rpc([
      { method: "eth_getLogs", params: [{ fromBlock: hex(deployment.block), toBlock: "latest" }] },
    ]);
    const events = JSON.stringify(logs);
    const [lot] = await sql<
      { root: string }[]
    >`select root from lots where first = ${numbers[0] as string}`;
    expect(events, "the search can find").includes((lot?.root ?? "none").slice(2));
    expect(calldata).includes(BigInt(numbers[0] as string).toString(16));
    expect(secretsIn(calldata, secrets)).deep.equals([]);
    expect(secretsIn(events, secrets)).deep.equals([]);
  });

  it("and the search finds a secret in each of its forms", () => {
    const bytes = Buffer.from("甲乙丙丁戊");
    for (const dump of [
      "甲乙丙丁戊",
      "\\u7532\\u4e59\\u4e19\\u4e01\\u620a",
      bytes.toString("hex"),
      encodeURIComponent("甲乙丙丁戊"),
    ])
      expect(secretsIn(`.${dump}.`, ["甲乙丙丁戊"])).lengthOf(1);
    for (const shift of [0, 1, 2, 3]) {
      const dump = Buffer.concat([Buffer.alloc(shift, 0x61), bytes, Buffer.from("zz")]).toString(
        "base64",
      );
      expect(secretsIn(dump, ["甲乙丙丁戊"]), `base64 from ${shift}`).lengthOf(1);
    }
    expect(secretsIn("甲乙丙丁", ["甲乙丙丁戊"])).lengthOf(0);
  });
});
