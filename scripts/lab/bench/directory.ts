/**
 * How fast a directory of taxpayers is loaded, and searched afterwards: rows a second, memory of
 * the gateway, milliseconds of a search. It is loaded as a bureau does: over HTTP, into a durable
 * database, with the names' index in place.
 */
import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { setInterval as every } from "node:timers/promises";
import { request } from "undici";
import { table } from "../../../sandbox/table.ts";
import { type Network, taxIdOf } from "./network.ts";
import { cpuOf, rssOf } from "./processes.ts";

export type DirectoryResult = {
  rows: number;
  changed: number;
  seconds: number;
  /** Seconds of CPU. */
  gateway: number;
  postgres: number;
  /** Bytes resident of the gateway: before, and at most. */
  before: number;
  peak: number;
};
export type SearchResult = { text: string; items: number; p50: number; max: number };

const PATH = "/v1/taxpayers/directory";
const SEARCHES = 50;
/** Companies of one chunk of the body. */
const CHUNK = 500;

const places =
  "浙江 上海 北京 深圳市 广州 成都 武汉市 南京 西安 青岛 杭州市 苏州 宁波 长沙 郑州".split(" ");
const signs =
  "华东远航星辰海纳百川瑞丰隆盛嘉禾金桥银河蓝天绿地红日紫光明德致和润泽恒通达信诚义永昌宏伟佳美康乐福寿安泰平兴旺发利源";
const trades = "科技 贸易 精密制造 餐饮管理 信息技术 文化传媒 建筑工程 物流 生物医药 新能源".split(
  " ",
);
const kinds = "有限公司 有限责任公司 股份有限公司 集团有限公司".split(" ");

/** A made-up name, the same for each number. */
function nameOf(serial: number): string {
  // steps that share no factor with the lists' lengths mix them evenly
  const pick = (list: ArrayLike<string>, step: number) =>
    list[Math.floor((serial * step) % list.length)] ?? "";
  const sign = [7, 11, 13].map(
    (step, at) => signs[(serial * step + (serial >> (3 * at))) % signs.length],
  );
  return `${pick(places, 1)}${sign.join("")}${pick(trades, 3)}${serial}${pick(kinds, 7)}`;
}

function* chunks(rows: number): Generator<Buffer> {
  for (let from = 0; from < rows; from += CHUNK) {
    const lines = Array.from({ length: Math.min(CHUNK, rows - from) }, (_, i) =>
      JSON.stringify({ taxId: taxIdOf(1_000_000 + from + i), name: nameOf(from + i) }),
    );
    yield Buffer.from(`${lines.join("\n")}\n`);
  }
}

/** Loads so many rows. Throws when one is refused, or the load ends early. */
async function load({ whole, pids }: Network, rows: number): Promise<DirectoryResult> {
  const gateway = whole.process.pid;
  const cpu = () => [cpuOf(gateway), cpuOf(pids.postgres)] as const;
  const [before, begun, at] = [rssOf(gateway), cpu(), performance.now()];
  let peak = before;
  const watching = new AbortController();
  const watch = (async () => {
    for await (const _ of every(200, undefined, { signal: watching.signal }))
      peak = Math.max(peak, rssOf(gateway));
  })().catch(() => {});
  try {
    const { body } = await request(`${whole.url}${PATH}`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${whole.bureau}`,
        "content-type": "application/x-ndjson",
        "idempotency-key": randomUUID(),
      },
      body: Readable.from(chunks(rows)),
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const last = JSON.parse((await body.text()).trim().split("\n").at(-1) ?? "{}");
    if (!last.done || last.stored !== rows)
      throw new Error(`The load ended: ${JSON.stringify(last)}`);
    const seconds = (performance.now() - at) / 1_000;
    const [ownCpu, databaseCpu] = cpu();
    return {
      rows,
      changed: last.changed,
      seconds,
      gateway: ownCpu - begun[0],
      postgres: databaseCpu - begun[1],
      before,
      peak,
    };
  } finally {
    watching.abort();
    await watch;
  }
}

async function search({ whole }: Network, text: string): Promise<SearchResult> {
  const times: number[] = [];
  let items = 0;
  for (let round = 0; round < SEARCHES; round++) {
    const at = performance.now();
    const { body, statusCode } = await request(
      `${whole.url}${PATH}?${new URLSearchParams({ name: text })}`,
      { headers: { authorization: `Bearer ${whole.bureau}` } },
    );
    const answer = (await body.json()) as { items: unknown[] };
    if (statusCode !== 200) throw new Error(`A search is refused: ${JSON.stringify(answer)}`);
    items = answer.items.length;
    times.push(performance.now() - at);
  }
  times.sort((a, b) => a - b);
  return { text, items, p50: times[SEARCHES / 2] ?? 0, max: times.at(-1) ?? 0 };
}

export type Directory = { loads: DirectoryResult[]; searches: SearchResult[] };

/** Loads the rows twice, the second time with nothing to change, and searches among them. */
export async function measureDirectory(
  network: Network,
  rows: number,
  say: (line: string) => void,
): Promise<Directory> {
  const loads: DirectoryResult[] = [];
  for (const label of ["new", "the same again"]) {
    say(`loading ${rows} companies, ${label}`);
    loads.push(await load(network, rows));
  }
  const searches: SearchResult[] = [];
  for (const text of [nameOf(4_711), nameOf(4_711).slice(2, 7), "餐饮管理", "有限公司", "绝无此名"])
    searches.push(await search(network, text));
  return { loads, searches };
}

const megabytes = (bytes: number) => (bytes / 1_048_576).toFixed(0);

export const directoryTables = ({ loads, searches }: Directory): string =>
  [
    table(
      [
        "load",
        "rows",
        "changed",
        "s",
        "rows/s",
        "gateway CPU s",
        "PostgreSQL CPU s",
        "MB before",
        "MB at most",
      ],
      loads.map((each, at) => [
        at === 0 ? "new" : "again",
        String(each.rows),
        String(each.changed),
        each.seconds.toFixed(1),
        (each.rows / each.seconds).toFixed(0),
        each.gateway.toFixed(1),
        each.postgres.toFixed(1),
        megabytes(each.before),
        megabytes(each.peak),
      ]),
      [1, 2, 3, 4, 5, 6, 7, 8],
    ),
    table(
      ["search", "items", "p50 ms", "max ms"],
      searches.map(({ text, items, p50, max }) => [
        text,
        String(items),
        p50.toFixed(1),
        max.toFixed(1),
      ]),
      [1, 2, 3],
    ),
  ].join("\n\n");
