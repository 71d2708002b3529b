/** Computes what the dashboard draws from the statistics. */
import type { Schemas } from "../../shared/client.ts";
import { chinaDay } from "../../shared/days.ts";

export type InvoiceStats = Schemas["InvoiceStats"];
export type Bucket = InvoiceStats["buckets"][number];
export type FlowStats = Schemas["FlowStats"];
export type Refusal = Schemas["Refusals"]["items"][number];
export type ChainStats = Schemas["ChainStats"];
export type Grain = "minute" | "hour" | "day";
/** What a chart measures: amounts in a currency, or numbers of invoices. */
export type Measure = { by: "gross" | "invoices"; currency: string };
export type Amounts = Pick<InvoiceStats["totals"], "amounts">;

// ── amounts ──────────────────────────────────────────────────────────────────────────────────────

export const amountOf = (
  sums: Amounts | undefined,
  currency: string,
  which: "gross" | "tax" = "gross",
): string => sums?.amounts.find((amount) => amount.currency === currency)?.[which] ?? "0.00";

/** A number for the height of a bar. The text beside it stays exact. */
export const heightOf = (
  sums: Amounts | undefined,
  currency: string,
  which: "gross" | "tax" = "gross",
): number => Number(amountOf(sums, currency, which));

/** The currencies in use, the usual one first. */
export function currenciesOf(sums: Amounts | undefined): string[] {
  const all = sums?.amounts.map(({ currency }) => currency) ?? [];
  return ["CNY", ...all.filter((currency) => currency !== "CNY")];
}

// ── time ─────────────────────────────────────────────────────────────────────────────────────────

const steps = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;
export type Row = { at: number; bucket: Bucket | undefined };

/** One row for each bucket of the range, also for empty ones. */
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
 * The name of a bucket: a minute or an hour by this browser's clock, a day by China's, by which it
 * is counted.
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
 * The largest parts, and one slice for all others. A slice that is zero or negative cannot be
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
 * The acts of a period as links of the flow. A claim decided in the period may be older, so more
 * can leave a node than enters it. What remains in a node is shown as waiting.
 */
export function linksOf(acts: FlowStats["acts"], name: FlowNames): Link[] {
  const returned = acts.rejected + acts.withdrawn;
  const claimed = acts.claimed + acts.admitted;
  const links: Link[] = [
    // an invoice that was returned and claimed again counts once
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
 * Repeated attempts in a row, as a script or an impatient clerk makes them, form one entry.
 * `times`: the number of attempts.
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
