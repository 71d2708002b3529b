/**
 * Names for the codes in the statistics: regions by the two digits in an invoice number (GB/T
 * 2260), industries by their key.
 */
import { formats, writtenFormats } from "@onepiao/protocol/formats/formats.ts";
import type { Schemas } from "../../shared/client.ts";
import type { Language } from "../../shared/words.ts";

export type Trade = Schemas["InvoiceStats"]["trades"][number]["trade"];
type Names = readonly [zh: string, en: string];

export const regions: Readonly<Record<string, Names>> = {
  "11": ["北京", "Beijing"],
  "12": ["天津", "Tianjin"],
  "13": ["河北", "Hebei"],
  "14": ["山西", "Shanxi"],
  "15": ["内蒙古", "Inner Mongolia"],
  "21": ["辽宁", "Liaoning"],
  "22": ["吉林", "Jilin"],
  "23": ["黑龙江", "Heilongjiang"],
  "31": ["上海", "Shanghai"],
  "32": ["江苏", "Jiangsu"],
  "33": ["浙江", "Zhejiang"],
  "34": ["安徽", "Anhui"],
  "35": ["福建", "Fujian"],
  "36": ["江西", "Jiangxi"],
  "37": ["山东", "Shandong"],
  "41": ["河南", "Henan"],
  "42": ["湖北", "Hubei"],
  "43": ["湖南", "Hunan"],
  "44": ["广东", "Guangdong"],
  "45": ["广西", "Guangxi"],
  "46": ["海南", "Hainan"],
  "50": ["重庆", "Chongqing"],
  "51": ["四川", "Sichuan"],
  "52": ["贵州", "Guizhou"],
  "53": ["云南", "Yunnan"],
  "54": ["西藏", "Tibet"],
  "61": ["陕西", "Shaanxi"],
  "62": ["甘肃", "Gansu"],
  "63": ["青海", "Qinghai"],
  "64": ["宁夏", "Ningxia"],
  "65": ["新疆", "Xinjiang"],
  "71": ["台湾", "Taiwan"],
  "81": ["香港", "Hong Kong"],
  "82": ["澳门", "Macao"],
  "90": ["境外", "Abroad"],
};

export const trades: Readonly<Record<Trade, Names>> = {
  farming: ["农林牧渔", "Farm produce"],
  food: ["食品饮料", "Food and drink"],
  textiles: ["纺织服装", "Textiles"],
  office: ["文教办公", "Office supplies"],
  fuel: ["石油制品", "Fuel"],
  medicine: ["医药", "Medicine"],
  chemicals: ["化工产品", "Chemicals"],
  electronics: ["电子设备", "Electronics"],
  machinery: ["机械设备", "Machinery"],
  utilities: ["水电燃气", "Utilities"],
  materials: ["矿产与材料", "Materials"],
  repair: ["加工修理", "Repair"],
  transport: ["交通运输", "Transport"],
  post: ["邮政", "Post"],
  telecom: ["电信", "Telecom"],
  technology: ["研发技术", "Research"],
  it: ["信息技术", "IT services"],
  creative: ["文化创意", "Design and events"],
  logistics: ["物流收派", "Logistics"],
  leasing: ["租赁", "Leasing"],
  consulting: ["咨询鉴证", "Consulting"],
  business: ["商务服务", "Business services"],
  construction: ["建筑", "Construction"],
  finance: ["金融", "Finance"],
  leisure: ["文体娱乐", "Leisure"],
  health: ["教育医疗", "Education, health"],
  travel: ["旅游", "Travel"],
  catering: ["餐饮", "Catering"],
  lodging: ["住宿", "Lodging"],
  household: ["居民服务", "Household services"],
  intangible: ["无形资产", "Intangibles"],
  property: ["不动产", "Property"],
  other: ["其他", "Other"],
};

export const forms: Readonly<Record<string, Names>> = {
  list: ["列表", "in a list"],
  json: ["全文", "document"],
  ...Object.fromEntries(
    writtenFormats.map((format) => [format, [formats[format].title.zh, formats[format].title.en]]),
  ),
  pdf: ["PDF", "PDF"],
  original: ["原件", "original"],
  bundle: ["票据包", "bundle"],
  archive: ["归档包", "archive"],
  sealed: ["密文", "sealed"],
  audit: ["稽核", "audit"],
};

/** The name of a code in a language. A code without a name is returned as it is. */
export const nameIn = (
  language: Language,
  table: Readonly<Record<string, Names>>,
  code: string,
): string => table[code]?.[language === "zh-CN" ? 0 : 1] ?? code;
