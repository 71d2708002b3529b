/** What the dashboard draws, worked out of the statistics. */
import type { Schemas } from "../../shared/client.ts";
import { chinaDay } from "../../shared/days.ts";

export type InvoiceStats = Schemas["InvoiceStats"];
export type Bucket = InvoiceStats["buckets"][number];
export type FlowStats = Schemas["FlowStats"];
export type Refusal = Schemas["Refusals"]["items"][number];
export type ChainStats = Schemas["ChainStats"];
export type Grain = "minute" | "hour" | "day";
/** What is drawn: how much, in a currency, or how many. */
export type Measure = { by: "gross" | "invoices"; currency: string };
export type Amounts = Pick<InvoiceStats["totals"], "amounts">;

// ── amounts ──────────────────────────────────────────────────────────────────────────────────────

export const amountOf = (
  sums: Amounts | undefined,
  currency: string,
  which: "gross" | "tax" = "gross",
): string => sums?.amounts.find((amount) => amount.currency === currency)?.[which] ?? "0.00";

/** For the height of a bar: what is read stays a text. */
export const heightOf = (
  sums: Amounts | undefined,
  currency: string,
  which: "gross" | "tax" = "gross",
): number => Number(amountOf(sums, currency, which));

/** The currencies that there are, the usual one first. */
export function currenciesOf(sums: Amounts | undefined): string[] {
  const all = sums?.amounts.map(({ currency }) => currency) ?? [];
  return ["CNY", ...all.filter((currency) => currency !== "CNY")];
}

// ── time ─────────────────────────────────────────────────────────────────────────────────────────

const steps = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;
export type Row = { at: number; bucket: Bucket | undefined };

/** Every bucket of the range, also those in which nothing happened. */
export function rowsOf(
  grain: Grain,
  { from, to, buckets }: Pick<InvoiceStats, "from" | "to" | "buckets">,
): Row[] {
  const byStart = new Map(buckets.map((bucket) => [Date.parse(bucket.start), bucket]));
  const [start, end] = [Date.parse(from), Date.parse(to)];
  const count = Math.max(0, Math.ceil((end - start) / steps[grain]) || 0);
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * steps[grain];
    return { at, bucket: byStart.get(at) };
  });
}

/**
 * What a bucket is called: its minute or hour by this browser's clock, its day by China's, which it
 * is counted by.
 */
export function labelOf(grain: Grain, at: number): string {
  if (grain === "day") {
    const [, month, day] = chinaDay(at).split("-");
    return `${Number(month)}-${Number(day)}`;
  }
  const clock = new Date(at);
  const [hours, minutes] = [clock.getHours(), clock.getMinutes()].map((part) =>
    String(part).padStart(2, "0"),
  );
  return grain === "minute"
    ? `${hours}:${minutes}`
    : `${clock.getMonth() + 1}-${clock.getDate()} ${hours}:${minutes}`;
}

// ── parts of the whole ───────────────────────────────────────────────────────────────────────────

export type Slice = { name: string; value: number; text: string };

/**
 * The greatest parts, and the others as one. A slice of nothing, or of less than nothing, cannot be
 * drawn.
 */
export function slicesOf(
  parts: readonly { name: string; height: number; text: string }[],
  most: number,
  nameOfRest: (count: number) => string,
): Slice[] {
  const drawn = parts.filter(({ height }) => height > 0).sort((a, b) => b.height - a.height);
  const rest = drawn.slice(most);
  const slices = drawn
    .slice(0, most)
    .map(({ name, height, text }) => ({ name, value: height, text }));
  return rest.length === 0
    ? slices
    : [
        ...slices,
        {
          name: nameOfRest(rest.length),
          value: rest.reduce((sum, { height }) => sum + height, 0),
          text: "",
        },
      ];
}

// ── the flow ─────────────────────────────────────────────────────────────────────────────────────

export type Link = { source: string; target: string; value: number };
export type FlowNames = Record<
  | "issued"
  | "admitted"
  | "claimed"
  | "reimbursed"
  | "returned"
  | "reversed"
  | "waiting"
  | "unclaimed",
  string
>;

/**
 * Acts of the range as links. A claim that is decided in the range may be from before it, so what
 * flows out of a node can be more than what flows in; what is left over is shown as waiting.
 */
export function linksOf(acts: FlowStats["acts"], name: FlowNames): Link[] {
  const returned = acts.rejected + acts.withdrawn;
  const claimed = acts.claimed + acts.admitted;
  const links: Link[] = [
    // one that was returned and claimed again is one invoice still
    { source: name.issued, target: name.claimed, value: Math.min(acts.claimed, acts.issued) },
    { source: name.admitted, target: name.claimed, value: acts.admitted },
    { source: name.claimed, target: name.reimbursed, value: acts.reimbursed },
    { source: name.claimed, target: name.returned, value: returned },
    { source: name.claimed, target: name.reversed, value: acts["reversed-claimed"] },
    { source: name.issued, target: name.reversed, value: acts.reversed },
    { source: name.reimbursed, target: name.reversed, value: acts["reversed-reimbursed"] },
    {
      source: name.claimed,
      target: name.waiting,
      value: claimed - acts.reimbursed - returned - acts["reversed-claimed"],
    },
    {
      source: name.issued,
      target: name.unclaimed,
      value: acts.issued - acts.claimed - acts.reversed,
    },
  ];
  return links.filter(({ value }) => value > 0);
}

// ── refused attempts ─────────────────────────────────────────────────────────────────────────────

/**
 * The same attempt over and over, as a script or an impatient clerk makes it, is one entry.
 * `times`: how often, without a break.
 */
export type Entry = Refusal & { times: number };

export function entriesOf(items: readonly Refusal[]): Entry[] {
  const entries: Entry[] = [];
  for (const item of items) {
    const before = entries[entries.length - 1];
    const same =
      before &&
      before.number === item.number &&
      before.attempt === item.attempt &&
      before.by === item.by &&
      before.employer?.index === item.employer?.index;
    if (same) before.times += 1;
    else entries.push({ ...item, times: 1 });
  }
  return entries;
}
