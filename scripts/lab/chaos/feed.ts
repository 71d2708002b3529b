/**
 * What the feed must contain, derived only from the chain's logs and the stored notices, and
 * whether an observer saw exactly that: everything, once, in order.
 */
import type { ChainEvent } from "../../../server/chain/contracts.ts";
import type { Tx } from "../../../server/db/db.ts";
import type { OnChain } from "./ledger.ts";

export type Seen = { position: bigint; type: string; number: string | undefined };
export type Gaps = { missed: number; disordered: number; wrong: string[] };

const types: Record<string, string> = {
  Transferred: "invoice.transferred",
  Claimed: "claim.created",
  Withdrawn: "claim.withdrawn",
  Reimbursed: "invoice.reimbursed",
  Rejected: "claim.rejected",
  Reversed: "invoice.reversed",
  TaxpayerEnrolled: "taxpayer.enrolled",
  QuotaSet: "quota.set",
  QuotaDrawn: "quota.drawn",
  QuotaGivenBack: "quota.given-back",
  SegmentAllotted: "segment.allotted",
  KeyRotated: "key.rotated",
};

/**
 * The feed of these events, all or some of them: a position is block × 2^27 + place; within a block
 * a lot takes as many places as it has invoices, any other event takes one.
 */
export function feedOf(
  { events, repeated }: Pick<OnChain, "events" | "repeated">,
  only: (event: ChainEvent) => boolean = () => true,
): Seen[] {
  const placed = placesOf(events);
  return events.filter(only).flatMap((event): Seen[] => {
    const position = placed.get(event) as bigint;
    if (event.name === "LotSealed") {
      const [first, count] = [BigInt(event.args["first"] as string), event.args["count"] as number];
      return Array.from({ length: count }, (_, i) => ({
        position: position + BigInt(i),
        type: "invoice.issued",
        number: String(first + BigInt(i)),
      }));
    }
    const alarm = event.name === "Refused" && event.args["alarm"] === true && !repeated.has(event);
    const type = alarm ? "reimbursement.refused" : types[event.name];
    const id = event.args["id"];
    return type === undefined
      ? []
      : [{ position, type, number: id === undefined ? undefined : String(id) }];
  });
}

const placesTaken = ({ name, args }: ChainEvent) =>
  name === "LotSealed" ? (args["count"] as number) : 1;

function placesOf(events: readonly ChainEvent[]): Map<ChainEvent, bigint> {
  let [block, place] = [-1, 0];
  return new Map(
    events.map((event) => {
      if (event.block !== block) [block, place] = [event.block, 0];
      const position = (BigInt(block) << 27n) + BigInt(place);
      place += placesTaken(event);
      return [event, position];
    }),
  );
}

/**
 * The notices that the feed must contain as well: each once, in the order in which they were
 * stored, after the events of their block.
 */
export async function noticesOf(sql: Tx, { events }: Pick<OnChain, "events">): Promise<Seen[]> {
  const rows = await sql<{ block: bigint; place: bigint; type: string; number: string | null }[]>`
    select block, row_number() over (partition by block order by id) - 1 as place, type, number from notices where block is not null order by block, id`;
  const before = new Map<bigint, number>();
  for (const event of events)
    before.set(BigInt(event.block), (before.get(BigInt(event.block)) ?? 0) + placesTaken(event));
  return rows.map(({ block, place, type, number }) => ({
    position: (block << 27n) + BigInt(before.get(block) ?? 0) + place,
    type,
    number: number ?? undefined,
  }));
}

/**
 * What a taxpayer must at least see: what it sealed as an issuer, and what was asked of it and what
 * it did as an employer.
 */
export function owedTo(chain: OnChain, index: number): Seen[] {
  const concerns = ({ name, args }: ChainEvent) =>
    (name === "LotSealed" && args["issuer"] === index) ||
    (["Claimed", "Rejected", "Reimbursed"].includes(name) && args["employer"] === index);
  return feedOf(chain, concerns);
}

/**
 * Compares what an observer saw, in order of arrival, with what there is. Test events and
 * duplicates must be removed first.
 */
export function compare(who: string, expected: readonly Seen[], seen: readonly Seen[]): Gaps {
  const wrong: string[] = [];
  let disordered = 0;
  for (const [i, event] of seen.entries())
    if (i > 0 && event.position <= (seen[i - 1] as Seen).position) disordered += 1;
  const seenAt = new Map(seen.map((event) => [event.position, event]));
  let missed = 0;
  for (const event of expected) {
    const same = seenAt.get(event.position);
    if (same && same.type === event.type && same.number === event.number) continue;
    missed += 1;
    if (missed <= 5)
      wrong.push(
        `${who} missed ${event.type} ${event.number ?? ""} at ${event.position}${same ? `, and has seen ${same.type} there` : ""}`,
      );
  }
  const known = new Set(expected.map((event) => event.position));
  const strange = seen.filter((event) => !known.has(event.position));
  if (strange.length > 0)
    wrong.push(
      `${who} has seen ${strange.length} events that do not exist, the first ${strange[0]?.type} at ${strange[0]?.position}`,
    );
  if (missed > 5) wrong.push(`${who} missed ${missed} events in all`);
  if (disordered > 0) wrong.push(`${who} has seen ${disordered} events out of order`);
  return { missed, disordered, wrong };
}
