/**
 * A slow trickle of traffic in a sandbox, so that there is something to watch: its own shops issue,
 * people claim, employers decide, and now and then somebody tries to be reimbursed a second time.
 * Over HTTP, like any client.
 *
 * One turn at a time, each a few requests: slow answers slow it down. It has its own parties, so
 * the lists of the others do not grow. Its memory is bounded. It can stop in the middle of a
 * request.
 */
import { randomInt } from "node:crypto";
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { chinaDay, chinaTime } from "@onepiao/protocol/values/dates.ts";
import { amountTimesRate, formatMoney } from "@onepiao/protocol/values/money.ts";
import { createClient, refusalOf } from "../clients/typescript/index.ts";

type Goods = { name: string; code: string; unit: string; rate: string; from: number; to: number };
type Shop = {
  taxId: string;
  name: string;
  goods: Goods;
  share: number;
  quota: number;
  token: string;
};
type Firm = { taxId: string; name: string; token: string; people: Person[] };
type Person = { account: string; token: string; firm: Firm };
/** `firm`: of a titled invoice. */
type Held = {
  number: string;
  person: Person;
  firm: Firm | undefined;
  shop: Shop;
  document: InvoiceDocument;
};
type Claim = { id: string; firm: Firm; invoices: Held[] };

const goods = {
  meal: {
    name: "*餐饮服务*餐费",
    code: "3070401000000000000",
    unit: "次",
    rate: "0.06",
    from: 60,
    to: 900,
  },
  room: {
    name: "*住宿服务*住宿费",
    code: "3070402000000000000",
    unit: "间夜",
    rate: "0.06",
    from: 260,
    to: 1_900,
  },
  software: {
    name: "*信息技术服务*软件服务费",
    code: "3040201000000000000",
    unit: "月",
    rate: "0.06",
    from: 900,
    to: 9_000,
  },
  parcel: {
    name: "*物流辅助服务*收派服务费",
    code: "3040409010000000000",
    unit: "件",
    rate: "0.06",
    from: 12,
    to: 160,
  },
  ride: {
    name: "*运输服务*客运服务费",
    code: "3010101020100000000",
    unit: "次",
    rate: "0.03",
    from: 15,
    to: 180,
  },
  stationery: {
    name: "*文具*办公用品",
    code: "1060406000000000000",
    unit: "批",
    rate: "0.13",
    from: 80,
    to: 2_400,
  },
  tour: {
    name: "*旅游服务*门票",
    code: "3070301000000000000",
    unit: "张",
    rate: "0.06",
    from: 60,
    to: 480,
  },
  design: {
    name: "*设计服务*设计费",
    code: "3040301000000000000",
    unit: "项",
    rate: "0.06",
    from: 1_200,
    to: 8_000,
  },
  phone: {
    name: "*移动通信终端设备*手机",
    code: "1090504030000000000",
    unit: "台",
    rate: "0.13",
    from: 1_400,
    to: 6_800,
  },
  tea: {
    name: "*茶*茶叶",
    code: "1030307010000000000",
    unit: "盒",
    rate: "0.13",
    from: 90,
    to: 700,
  },
} as const satisfies Record<string, Goods>;

/**
 * Invented, like everybody in the samples. `share`: how often it issues, beside the others.
 * `quota`: of a month, in yuan.
 */
const shops: [taxId: string, name: string, goods: Goods, share: number, quota: number][] = [
  ["91110100MA6TQ7H2AW", "北京东四胡同饭庄", goods.meal, 9, 60_000],
  ["91310100MA1FL4C8K0", "上海弄堂里咖啡有限公司", goods.meal, 12, 90_000],
  ["91440300MA5HW9N3DE", "深圳海湾酒店管理有限公司", goods.room, 7, 120_000],
  ["91510100MA6RQ2B7XY", "成都锦里火锅餐饮有限公司", goods.meal, 10, 80_000],
  ["91330100MA2GM8E4P9", "杭州云溪软件有限公司", goods.software, 3, 300_000],
  ["91440100MA5CT1J6L0", "广州珠江快递服务有限公司", goods.parcel, 8, 20_000],
  ["91320100MA1YB5K9RP", "南京金陵文具商行", goods.stationery, 5, 90_000],
  ["91420100MA4KN3D7WG", "武汉江城出租汽车有限公司", goods.ride, 14, 30_000],
  ["91610100MA6UP8G2HG", "西安长安旅行社有限公司", goods.tour, 4, 40_000],
  ["91500100MA5WX4M1CF", "重庆山城宾馆", goods.room, 4, 90_000],
  ["91210100MA0QJ6T8B0", "沈阳北方办公用品有限公司", goods.stationery, 2, 60_000],
  ["91350100MA3NE2R5YT", "福州闽山茶业有限公司", goods.tea, 3, 30_000],
  ["91370100MA3DT9L4GJ", "济南泉城设计有限公司", goods.design, 2, 120_000],
  ["91120100MA0BK7W3N3", "天津海河通信器材有限公司", goods.phone, 3, 150_000],
];
const firms: [taxId: string, name: string, people: string[]][] = [
  ["91440300MA5XE6P1T7", "深圳市南山智造有限公司", ["陈思远", "林晓彤", "黄志强"]],
  ["91110100MA0HC2Y8MH", "北京朝晖管理咨询有限公司", ["周静怡", "吴建国"]],
  ["91310100MA1TW5R7DP", "上海浦江国际贸易有限公司", ["徐佳宁", "孙浩然"]],
  ["91510100MA6LA9X4KC", "成都天府生物科技有限公司", ["罗雨桐", "邓明亮"]],
  ["91330100MA2PJ3N6EK", "杭州西湖文化传媒有限公司", ["沈若溪", "许子墨"]],
];

export type TrafficCounts = {
  issued: number;
  claimed: number;
  reimbursed: number;
  rejected: number;
  handedOn: number;
  reversed: number;
  doubles: number;
};
export type Traffic = {
  /** What it has done so far; `faults` are answers that it did not expect, the last few. */
  counts: TrafficCounts;
  faults: string[];
  stop(): Promise<void>;
};

/** Of each kind at most so many are remembered. */
const MEMORY = 200;
/** After a fault it rests. */
const REST_MS = 5_000;

const any = <T>(all: readonly T[]): T | undefined =>
  all.length === 0 ? undefined : all[randomInt(all.length)];
const chance = (percent: number) => randomInt(100) < percent;
function remember<T>(all: T[], item: T): void {
  all.push(item);
  if (all.length > MEMORY) all.shift();
}

/** `now`: the sandbox's clock. `everyMs`: the time of a turn, about. */
type Options = { url: string; bureau: string; now?: () => Date; everyMs?: number };

/** Makes its parties and begins. */
export function startTraffic({
  url,
  bureau,
  now = () => new Date(),
  everyMs = 1_500,
}: Options): Traffic {
  const stopping = new AbortController();
  const client = createClient({ url, signal: stopping.signal, patience: { tries: 10 } });
  const counts: TrafficCounts = {
    issued: 0,
    claimed: 0,
    reimbursed: 0,
    rejected: 0,
    handedOn: 0,
    reversed: 0,
    doubles: 0,
  };
  const faults: string[] = [];
  const held: Held[] = [];
  const claimed: Claim[] = [];
  const paid: Held[] = [];
  let decided = 0;

  // ── parties ────────────────────────────────────────────────────────────────────────────────────

  async function enrol(
    taxId: string,
    name: string,
    capability: "issuer" | "employer",
  ): Promise<string> {
    const { body: party } = await client.done("POST /v1/taxpayers", {
      body: { name, taxId, capabilities: [capability] },
      token: bureau,
    });
    const { body: key } = await client.done("POST /v1/api-keys", {
      body: { account: party.account, roles: ["admin"] },
      token: bureau,
    });
    return key.token ?? "";
  }
  const grant = (shop: Pick<Shop, "taxId" | "name" | "quota">) => {
    const body = { period: chinaDay(now()).slice(0, 7), granted: `${shop.quota}.00` };
    return client.done("PUT /v1/taxpayers/{taxId}/quota", {
      params: { taxId: shop.taxId },
      body,
      token: bureau,
    });
  };

  async function openShop([
    taxId,
    name,
    sold,
    share,
    quota,
  ]: (typeof shops)[number]): Promise<Shop> {
    const shop = {
      taxId,
      name,
      goods: sold,
      share,
      quota,
      token: await enrol(taxId, name, "issuer"),
    };
    await grant(shop);
    await client.done("POST /v1/taxpayers/{taxId}/segments", {
      params: { taxId },
      body: { length: 100_000 },
      token: bureau,
    });
    return shop;
  }

  async function openFirm([taxId, name, people]: (typeof firms)[number]): Promise<Firm> {
    const firm: Firm = { taxId, name, token: await enrol(taxId, name, "employer"), people: [] };
    for (const person of people) {
      const { token } = firm;
      const made = await client.done("POST /v1/persons", { body: { name: person }, token });
      const { account } = made.body;
      const key = await client.done("POST /v1/api-keys", {
        body: { account, roles: ["holder"] },
        token,
      });
      firm.people.push({ account, token: key.body.token ?? "", firm });
    }
    return firm;
  }

  // ── what is done ───────────────────────────────────────────────────────────────────────────────

  function sale({ taxId, name, goods: sold }: Shop, firm: Firm | undefined): InvoiceDocument {
    const net = BigInt(randomInt(sold.from * 100, sold.to * 100));
    const tax = amountTimesRate(net, sold.rate);
    const line = {
      name: sold.name,
      unit: sold.unit,
      quantity: "1",
      unitPrice: formatMoney(net),
      amount: formatMoney(net),
      taxRate: sold.rate,
      tax: formatMoney(tax),
      taxCode: sold.code,
    };
    return {
      kind: "ordinary",
      issuedAt: chinaTime(now()),
      currency: "CNY",
      seller: { taxId, name },
      buyer: firm ? { taxId: firm.taxId, name: firm.name } : { name: "个人" },
      lines: [line],
      totals: { net: formatMoney(net), tax: formatMoney(tax), gross: formatMoney(net + tax) },
    };
  }

  async function issue(shop: Shop, person: Person): Promise<void> {
    const firm = chance(60) ? person.firm : undefined;
    const document = sale(shop, firm);
    const body = { ...document, holder: person.account };
    let number = "";
    const refusal = await refusalOf(
      client.done("POST /v1/invoices", { body, token: shop.token }).then((issued) => {
        number = issued.body.number;
      }),
    );
    if (refusal?.code === "quota-exceeded") {
      shop.quota *= 2;
      await grant(shop);
      return;
    }
    if (refusal) throw new Error(`issue: ${refusal.code} ${refusal.detail}`);
    counts.issued += 1;
    remember(held, { number, person, firm, shop, document });
  }

  async function claim(): Promise<void> {
    const first = any(held);
    if (!first) return;
    // one report: one person's invoices that one employer may be asked for
    const report = held
      .filter(
        (invoice) =>
          invoice.person === first.person &&
          (invoice.firm ?? invoice.person.firm) === first.person.firm,
      )
      .slice(0, 1 + randomInt(4));
    for (const invoice of report) held.splice(held.indexOf(invoice), 1);
    const body = {
      employer: first.person.firm.taxId,
      invoices: report.map(({ number }) => number),
      note: "差旅费",
    };
    const { body: made } = await client.done("POST /v1/claims", {
      body,
      token: first.person.token,
    });
    counts.claimed += report.length;
    remember(claimed, { id: made.id, firm: first.person.firm, invoices: report });
  }

  async function decide(): Promise<void> {
    const report = claimed.shift();
    if (!report) return;
    decided += 1;
    const reject = decided % 12 === 4;
    const target = { params: { id: report.id }, token: report.firm.token };
    if (reject)
      await client.done("POST /v1/claims/{id}/reject", {
        ...target,
        body: { reason: "缺少事由" },
      });
    else await client.done("POST /v1/claims/{id}/reimburse", target);
    counts[reject ? "rejected" : "reimbursed"] += report.invoices.length;
    for (const invoice of report.invoices) remember(reject ? held : paid, invoice);
  }

  async function handOn(people: readonly Person[]): Promise<void> {
    const invoice = any(held.filter(({ firm }) => firm === undefined));
    const to = any(people.filter((person) => person !== invoice?.person));
    if (!invoice || !to) return;
    const { body: offer } = await client.done("POST /v1/invoices/{number}/transfers", {
      params: { number: invoice.number },
      body: { to: to.account },
      token: invoice.person.token,
    });
    await client.done("POST /v1/transfers/{id}/accept", {
      params: { id: offer.id },
      token: to.token,
    });
    counts.handedOn += 1;
    invoice.person = to;
  }

  async function reverse(): Promise<void> {
    const invoice = any(held);
    if (!invoice) return;
    held.splice(held.indexOf(invoice), 1);
    const minus = (text: unknown) => `-${String(text)}`;
    const { lines, totals, ...rest } = invoice.document;
    const body = {
      ...rest,
      lines: lines.map((line) => ({
        ...line,
        quantity: "-1",
        amount: minus(line.amount),
        tax: minus(line.tax),
      })),
      totals: { net: minus(totals.net), tax: minus(totals.tax), gross: minus(totals.gross) },
      reverses: { number: invoice.number },
    };
    await client.done("POST /v1/invoices", { body, token: invoice.shop.token });
    counts.reversed += 1;
  }

  /** What has been reimbursed is claimed once more: an untitled one from another employer. */
  async function double(all: readonly Firm[]): Promise<void> {
    const invoice = any(paid);
    const employer =
      invoice && (invoice.firm ?? any(all.filter((firm) => firm !== invoice.person.firm)));
    if (!invoice || !employer) return;
    const refusal = await refusalOf(
      client.done("POST /v1/claims", {
        body: { employer: employer.taxId, invoices: [invoice.number] },
        token: invoice.person.token,
      }),
    );
    if (refusal?.status !== 409)
      throw new Error(
        `a second reimbursement was not refused: ${refusal?.code ?? "it was claimed"}`,
      );
    counts.doubles += 1;
  }

  // ── turns ──────────────────────────────────────────────────────────────────────────────────────

  const pause = (milliseconds: number) =>
    new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      stopping.signal.addEventListener("abort", done, { once: true });
    });

  async function run(): Promise<void> {
    const [open, all] = await Promise.all([
      Promise.all(shops.map(openShop)),
      Promise.all(firms.map(openFirm)),
    ]);
    const people = all.flatMap((firm) => firm.people);
    const lots = open.flatMap((shop) => Array.from({ length: shop.share }, () => shop));
    for (let turn = 1; !stopping.signal.aborted; turn += 1) {
      try {
        const sales = Array.from({ length: 1 + randomInt(3) }, () =>
          issue(any(lots) as Shop, any(people) as Person),
        );
        for (const sold of await Promise.allSettled(sales))
          if (sold.status === "rejected") throw sold.reason;
        if (chance(55)) await claim();
        if (chance(55)) await decide();
        // now and then, and never all at once
        if (turn % 15 === 5) await handOn(people);
        if (turn % 30 === 8) await reverse();
        if (turn % 20 === 11) await double(all);
        await pause(randomInt(Math.ceil(everyMs / 2), Math.ceil(everyMs * 1.5)));
      } catch (cause) {
        if (stopping.signal.aborted) return;
        faults.push((cause as Error).message);
        if (faults.length > 10) faults.shift();
        await pause(REST_MS);
      }
    }
  }

  const running = run().catch((cause: Error) => {
    if (!stopping.signal.aborted) faults.push(cause.message);
  });
  return {
    counts,
    faults,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
