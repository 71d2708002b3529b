/**
 * The trade (行业) of an invoice: one word of a fixed list, so that counts by trade are bounded.
 *
 * A line's trade follows from its tax classification code (税收商品和服务分类编码, 19 digits), or, if the code
 * is missing or not in the table, from the short name between asterisks at the beginning of the
 * line's name (*餐饮服务*餐费). The invoice has the trade of its greatest lines. The table has the
 * field's coarse divisions, not its 4,200 codes.
 */
import { parseMoney } from "../values/money.ts";
import type { InvoiceDocument, InvoiceLine } from "./document.ts";

/** Beginnings of codes, and short names. A longer beginning wins over a shorter one. */
const table = {
  farming: {
    codes: ["101"],
    names: ["谷物", "蔬菜", "水果", "肉类", "禽蛋", "水产品", "农产品", "茶", "花卉"],
  },
  food: {
    codes: ["103"],
    names: [
      "食品",
      "乳制品",
      "糖果类食品",
      "方便食品",
      "焙烤食品",
      "饮料",
      "酒",
      "软饮料",
      "调味品",
    ],
  },
  textiles: { codes: ["104"], names: ["服装", "纺织产品", "鞋", "皮革毛皮制品"] },
  office: { codes: ["106"], names: ["文具", "纸制品", "印刷品", "家具", "体育用品", "办公用品"] },
  fuel: { codes: ["10701"], names: ["汽油", "柴油", "石油制品"] },
  medicine: { codes: ["10703"], names: ["药品", "中成药", "化学药品制剂", "生物化学药品"] },
  chemicals: {
    codes: ["107"],
    names: ["化学试剂助剂", "洗涤剂", "化妆品", "塑料制品", "橡胶制品"],
  },
  electronics: {
    codes: ["10905"],
    names: [
      "计算机",
      "电子计算机",
      "计算机外部设备",
      "计算机配套产品",
      "通信终端设备",
      "移动通信终端设备",
    ],
  },
  machinery: {
    codes: ["109"],
    names: ["机械设备", "机动车", "通用设备", "家用电器", "电线电缆", "配电控制设备"],
  },
  utilities: { codes: ["110"], names: ["供电", "热力", "水冰雪", "燃气"] },
  materials: {
    codes: ["102", "105", "108"],
    names: ["金属制品", "黑色金属冶炼压延品", "非金属矿物制品", "木制品", "五金"],
  },
  repair: { codes: ["2"], names: ["劳务", "修理修配劳务", "加工劳务"] },
  transport: { codes: ["301"], names: ["运输服务", "客运服务", "货运服务"] },
  post: { codes: ["302"], names: ["邮政服务"] },
  telecom: { codes: ["303"], names: ["电信服务", "基础电信服务", "增值电信服务"] },
  technology: { codes: ["30401"], names: ["研发和技术服务", "研发服务", "技术服务"] },
  it: { codes: ["30402"], names: ["信息技术服务", "软件", "信息系统服务", "软件服务"] },
  creative: {
    codes: ["30403"],
    names: ["文化创意服务", "设计服务", "广告服务", "会议展览服务", "会展服务"],
  },
  logistics: { codes: ["30404"], names: ["物流辅助服务", "收派服务", "仓储服务"] },
  leasing: {
    codes: ["30405"],
    names: ["租赁服务", "经营租赁", "不动产经营租赁服务", "有形动产经营租赁服务"],
  },
  consulting: { codes: ["30406"], names: ["鉴证咨询服务", "咨询服务", "鉴证服务"] },
  business: {
    codes: ["304"],
    names: [
      "现代服务",
      "商务辅助服务",
      "企业管理服务",
      "人力资源服务",
      "经纪代理服务",
      "广播影视服务",
    ],
  },
  construction: {
    codes: ["305"],
    names: ["建筑服务", "工程服务", "安装服务", "修缮服务", "装饰服务"],
  },
  finance: { codes: ["306"], names: ["金融服务", "贷款服务", "保险服务", "直接收费金融服务"] },
  leisure: {
    codes: ["30701", "3070302"],
    names: ["文化服务", "体育服务", "娱乐服务", "文化体育服务"],
  },
  health: { codes: ["30702"], names: ["教育医疗服务", "教育服务", "医疗服务", "非学历教育服务"] },
  travel: { codes: ["30703"], names: ["旅游服务", "旅游娱乐服务"] },
  catering: { codes: ["3070401"], names: ["餐饮服务"] },
  lodging: { codes: ["30704"], names: ["住宿服务", "餐饮住宿服务"] },
  household: { codes: ["307"], names: ["生活服务", "居民日常服务", "其他生活服务"] },
  intangible: { codes: ["4"], names: ["无形资产"] },
  property: { codes: ["5"], names: ["不动产"] },
  other: { codes: [], names: [] },
} as const satisfies Record<string, { codes: readonly string[]; names: readonly string[] }>;

export type Trade = keyof typeof table;
export const trades = Object.keys(table) as [Trade, ...Trade[]];

const byCode = new Map(
  trades.flatMap((trade) => table[trade].codes.map((code) => [code as string, trade] as const)),
);
const byName = new Map(
  trades.flatMap((trade) => table[trade].names.map((name) => [name as string, trade] as const)),
);
const longest = Math.max(...[...byCode.keys()].map((code) => code.length));

function tradeOfLine({ taxCode, name }: Pick<InvoiceLine, "taxCode" | "name">): Trade {
  if (taxCode !== undefined && /^\d{19}$/.test(taxCode)) {
    for (let length = longest; length > 0; length -= 1) {
      const match = byCode.get(taxCode.slice(0, length));
      if (match) return match;
    }
  }
  return byName.get(/^\*([^*]{1,40})\*/.exec(name)?.[1] ?? "") ?? "other";
}

/**
 * Of trades with the same weight, the one that comes first on the invoice. A discount reduces the
 * weight of its item.
 */
export function tradeOf(document: Pick<InvoiceDocument, "lines">): Trade {
  const weights = new Map<Trade, bigint>();
  for (const line of document.lines) {
    const trade = tradeOfLine(line);
    weights.set(trade, (weights.get(trade) ?? 0n) + parseMoney(line.amount));
  }
  let [trade, most]: [Trade, bigint] = ["other", -1n];
  for (const [candidate, sum] of weights) {
    const size = sum < 0n ? -sum : sum;
    if (size > most) [trade, most] = [candidate, size];
  }
  return trade;
}
