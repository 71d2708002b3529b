/**
 * Attempts at a second reimbursement, each once.
 *
 * An attempt is (party, kind of act, invoice, version, counterparty); the signed act is its
 * evidence. So relaying a refused act again, or signing the same request again, adds nothing.
 *
 * | the chain refuses | and it is an attempt if | party | counterparty | version |
 * | --- | --- | --- | --- | --- |
 * | with an alarm: a claim | always | holder | employer | the invoice's |
 * | with an alarm: a reimbursement, an admission | always | employer | holder | the invoice's |
 * | a claim on an outdated version | the same holder has claimed that version from another employer, and its present key has signed both | holder | employer | the one after the first claim |
 *
 * The chain raises no alarm in the last case, because it checks the version first. Invoices issued
 * elsewhere are excluded from that case: there, an employer's admission looks like a claim. If the
 * signed act cannot be read (another contract passed it on, or there is too much calldata), the
 * intended payer is unknown, and such attempts count once for a kind and the invoice's present
 * claim. A digest that was seen before never adds anything.
 */

import { type ActKind, actKinds, acts } from "@onepiao/protocol/ledger/acts.ts";
import { isExternal } from "@onepiao/protocol/ledger/external.ts";
import { type SignedAct, signerOf } from "../chain/calldata.ts";
import { errorName } from "../chain/contracts.ts";
import type { Tx } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";
import { onActs } from "../feed/acts.ts";
import type { Applied, Projection } from "../feed/follower.ts";
import { isAlarm } from "../feed/signed.ts";
import { createSlices } from "../kernel/slices.ts";
import { keysOf } from "./registry.ts";

export type Attempt = {
  /** "" if it is unknown. */
  party: string;
  /** The kind of act in lower case. */
  kind: string;
  number: string;
  version: number;
  counterparty: string;
  /** The index of the employer that was to pay; null if it is unknown. */
  employer: number | null;
  /** The digest of the signed act. */
  act: string;
  /** Name of the contract's error. */
  reason: string;
};

/**
 * How many signatures of one act are checked: the act has one, and those who relay copies may add
 * others.
 */
const MAX_SIGNATURES = 4;

type ClaimedVersion = { number: string; version: number; holder: string; employer: number };

/** The claims that left these invoices at these versions. */
const claimsAt = (tx: Tx, at: readonly { number: string; version: number }[]) => tx<
  ClaimedVersion[]
>`
  select c.number, c.version, c.holder, c.employer
  from unnest(${at.map((entry) => entry.number)}::numeric[],
    ${at.map((entry) => entry.version)}::int[]) as w (number, version)
  join claimed_versions c on c.number = w.number and c.version = w.version`;

/** The attempts behind the chain's alarms. */
async function alarmed(tx: Tx, events: readonly Applied[]): Promise<Map<Applied, Attempt>> {
  const numbers = [...new Set(events.map((event) => String(event.args["id"])))];
  // an invoice that raises an alarm is claimed or reimbursed: its holder is the one who claimed it
  // last
  const lastClaims = await tx<RowOf<"claimed_versions", "number" | "version" | "holder">[]>`
    select w.number, c.version, c.holder from unnest(${numbers}::numeric[]) as w (number)
    cross join lateral (select version, holder from claimed_versions where number = w.number
      order by version desc limit 1) c`;
  const indexes = [...new Set(events.flatMap((event) => event.signed?.taxpayer ?? []))];
  const employers = await tx<
    RowOf<"taxpayers", "index" | "account">[]
  >`select index, account from taxpayers where index = any(${indexes}::int[])`;
  const lastOf = new Map(lastClaims.map((row) => [row.number, row]));
  const accountOf = new Map(employers.map((row) => [row.index, row.account]));
  return new Map(
    events.map((event) => {
      const number = String(event.args["id"]);
      const { signed } = event;
      const kind = actKinds[event.args["kind"] as number] as ActKind;
      const byHolder = acts[kind].signs === "holder";
      const employer = signed?.taxpayer ?? null;
      const claimant = lastOf.get(number)?.holder ?? "";
      const payer = employer === null ? "" : (accountOf.get(employer) ?? String(employer));
      // an admission names its holder
      const holder = signed === undefined ? "" : (signed.to ?? claimant);
      const [party, counterparty] = byHolder
        ? [claimant, employer === null ? "" : String(employer)]
        : [payer, holder];
      const version =
        signed?.invoices.find((entry) => entry.id === number)?.version ??
        lastOf.get(number)?.version ??
        0;
      return [
        event,
        {
          party,
          kind: kind.toLowerCase(),
          number,
          version,
          counterparty,
          employer,
          ...evidenceOf(event),
        },
      ];
    }),
  );
}

const evidenceOf = ({ args }: Applied) => ({
  act: String(args["act"]),
  reason: errorName(String(args["reason"]).slice(0, 10)) ?? "",
});

/** Claims on a version that their holder has claimed from another employer. */
async function claimedTwice(tx: Tx, events: readonly Applied[]): Promise<Map<Applied, Attempt>> {
  const byEvent = new Map<Applied, Attempt>();
  const targets = (signed: SignedAct) =>
    signed.invoices
      .filter(({ id }) => !isExternal(id))
      .map(({ id, version }) => ({ number: id, version: version + 1 }));
  const claims = await claimsAt(
    tx,
    events.flatMap(({ signed }) => (signed ? targets(signed) : [])),
  );
  if (claims.length === 0) return byEvent;
  const claimOf = new Map(claims.map((entry) => [`${entry.number}/${entry.version}`, entry]));
  const holders = [...new Set(claims.map((entry) => entry.holder))];
  const keys = await keysOf(tx, holders);
  const pauseIfDue = createSlices();
  const signers = new Map<string, string | undefined>();
  for (const event of events) {
    const { signed } = event;
    if (!signed) continue;
    const { act, reason } = evidenceOf(event);
    for (const { number, version } of targets(signed)) {
      const claim = claimOf.get(`${number}/${version}`);
      if (!claim || claim.employer === signed.taxpayer) continue;
      const key = keys.get(claim.holder);
      for (const signature of signed.signatures.slice(0, MAX_SIGNATURES)) {
        await pauseIfDue();
        const name = `${act}/${signature.r}/${signature.vs}`;
        if (!signers.has(name)) signers.set(name, signerOf(act, signature));
        if (key === undefined || signers.get(name) !== key) continue;
        const counterparty = String(signed.taxpayer);
        byEvent.set(event, {
          party: claim.holder,
          kind: signed.kind.toLowerCase(),
          number,
          version,
          counterparty,
          employer: signed.taxpayer ?? null,
          act,
          reason,
        });
      }
      if (byEvent.has(event)) break;
    }
  }
  return byEvent;
}

async function refused(tx: Tx, run: readonly Applied[]): Promise<void> {
  const [alarms, others] = [
    run.filter(isAlarm),
    run.filter((event) => event.signed !== undefined && !isAlarm(event)),
  ];
  if (alarms.length + others.length === 0) return;
  const attempts = new Map([
    ...(alarms.length > 0 ? await alarmed(tx, alarms) : []),
    ...(others.length > 0 ? await claimedTwice(tx, others) : []),
  ]);
  const all = [...attempts.values()];
  const seen = await tx<RowOf<"attempts", "act" | "number">[]>`
    select act, number from attempts
    where (act, number) in (select * from unnest(${all.map((entry) => entry.act)}::text[],
      ${all.map((entry) => entry.number)}::numeric[]))`;
  const recorded = new Set(seen.map(({ act, number }) => `${act}/${number}`));
  // in the chain's order: of several equal attempts, the first one stays
  const rows = run.flatMap((event) => {
    const attempt = attempts.get(event);
    if (!attempt) return [];
    const evidence = `${attempt.act}/${attempt.number}`;
    if (recorded.has(evidence)) return [];
    recorded.add(evidence);
    return [{ ...attempt, block: event.block, log: event.index }];
  });
  if (rows.length === 0) return;
  const column = <K extends keyof (typeof rows)[0]>(name: K) => rows.map((row) => row[name]);
  await tx`
    insert into attempts (party, kind, number, version, counterparty, employer, act, reason, block,
      log)
    select * from unnest(
      ${column("party")}::text[], ${column("kind")}::text[], ${column("number")}::numeric[],
        ${column("version")}::int[],
      ${column("counterparty")}::text[], ${column("employer")}::int[], ${column("act")}::text[],
        ${column("reason")}::text[],
      ${column("block")}::bigint[], ${column("log")}::int[])
    on conflict do nothing`;
}

/** The refusals among these that show an attempt for the first time. */
export async function attemptsIn(tx: Tx, run: readonly Applied[]): Promise<Map<Applied, Attempt>> {
  const rows = await tx<(Attempt & { block: bigint; log: number })[]>`
    select a.* from unnest(${run.map((event) => event.block)}::bigint[],
      ${run.map((event) => event.index)}::int[]) as e (block, log)
    join attempts a on a.block = e.block and a.log = e.log`;
  const byPlace = new Map(rows.map((row) => [`${row.block}/${row.log}`, row]));
  return new Map(
    run.flatMap((event) => {
      const attempt = byPlace.get(`${event.block}/${event.index}`);
      return attempt ? [[event, attempt] as const] : [];
    }),
  );
}

/** Records who has claimed which version, and from whom. */
async function claimed(tx: Tx, run: readonly Applied[]): Promise<void> {
  await tx`
    insert into claimed_versions (number, version, holder, employer)
    select * from unnest(${run.map((event) => event.args["id"])}::numeric[],
      ${run.map((event) => event.args["version"])}::int[],
                         ${run.map((event) => event.args["holder"])}::text[],
                           ${run.map((event) => event.args["employer"])}::int[])`;
}

export const attemptMirror: Projection = {
  name: "attempts",
  tables: ["claimed_versions", "attempts"],
  on: {
    ...onActs(({ record }) => (record.claim === undefined ? undefined : claimed)),
    Refused: refused,
  },
};
