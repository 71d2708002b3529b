/** Findings of the bureau's audit. Owns `audit_findings`; audit.ts says when a finding is made. */
import type { Tx } from "../../db/db.ts";
import { notify } from "../../feed/notices.ts";
import type { Log } from "../../kernel/log.ts";

export const findingKinds = [
  "documents-missing",
  "documents-differ",
  "document-invalid",
  "accepted-time",
  "quota-exceeded",
  "red-letter-exceeds",
] as const;
export type FindingKind = (typeof findingKinds)[number];
/** `subject`: the number of an invoice, the first number of a lot, or a period. */
export type NewFinding = { kind: FindingKind; issuer: number; subject: string };
export type Finding = NewFinding & { found_at: Date };
/** A finding's place in the list; `micros`: microseconds from 1970 to when it was found. */
export type FindingPlace = NewFinding & { micros: bigint };

/** Stores findings; a new one is an alarm: in the log, and in the feed for the bureau. */
export async function addFindings(
  tx: Tx,
  log: Log,
  bureau: string,
  findings: readonly NewFinding[],
): Promise<void> {
  if (findings.length === 0) return;
  const made = await tx<NewFinding[]>`
    insert into audit_findings (kind, issuer, subject)
    select * from unnest(${findings.map(({ kind }) => kind)}::text[], ${findings.map(({ issuer }) => issuer)}::int[], ${findings.map(({ subject }) => subject)}::numeric[])
    on conflict do nothing returning kind, issuer, subject`;
  for (const { kind, issuer, subject } of made)
    log.error({ audit: kind, issuer, subject }, "the audit has found something");
  await notify(
    tx,
    made.map(({ kind, issuer, subject }) => ({
      type: "audit.alarm",
      accounts: [bureau],
      data: { kind, issuer, subject },
    })),
  );
}

/** Removes findings of these kinds about these subjects. */
export async function clearFindings(
  tx: Tx,
  kinds: readonly FindingKind[],
  subjects: readonly Pick<NewFinding, "issuer" | "subject">[],
): Promise<void> {
  await tx`
    delete from audit_findings f using unnest(${subjects.map(({ issuer }) => issuer)}::int[], ${subjects.map(({ subject }) => subject)}::numeric[]) as o (issuer, subject)
    where f.kind = any(${[...kinds]}::text[]) and f.issuer = o.issuer and f.subject = o.subject`;
}

/** Findings, the newest first; `before`: the last one of the page before. */
export async function listFindings(
  tx: Tx,
  { before, limit }: { before?: FindingPlace | undefined; limit: number },
): Promise<(Finding & FindingPlace)[]> {
  const behind =
    before === undefined
      ? tx`true`
      : tx`(found_at, kind, issuer, subject) < (timestamptz 'epoch' + ${before.micros}::bigint * interval '1 microsecond', ${before.kind}, ${before.issuer}, ${before.subject})`;
  return tx<(Finding & FindingPlace)[]>`
    select kind, issuer, subject, found_at, (extract(epoch from found_at) * 1000000)::bigint as micros from audit_findings where ${behind}
    order by found_at desc, kind desc, issuer desc, subject desc limit ${limit}`;
}
