/**
 * Buyers that are not enrolled: an invoice titled to a company that the chain does not have is
 * refused with a remedy, which enrols the company and waits for the chain. Then the invoice is
 * accepted like any other. Nothing is held meanwhile, so other invoices and their lots go on.
 *
 *   bureau's gateway     directory → enrolled as an employer, its key kept here → suspended → joins
 *   another gateway      asks the bureau's gateway (bureau-gateway.ts) → proves the answer by the chain
 *
 * A company is enrolled once: its tax id is unique, and a second request waits for the same
 * enrolment. The directory says its name; a company that the directory lacks is refused, or
 * enrolled under the invoice's words, as the operator sets. An issuer can cause so many enrolments
 * in a day. Nobody calls for the company until it joins (registration.ts).
 *
 * Owns the table buyer_enrolments.
 */
import { sameName } from "@onepiao/protocol/values/names.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { normaliseTaxId } from "@onepiao/protocol/values/tax-id.ts";
import type { Changes, Sql, Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { BureauGateway } from "./bureau-gateway.ts";
import type { Lookup } from "./directory.ts";
import type { Names } from "./names.ts";
import type { Registration } from "./registration.ts";
import type { Taxpayer, Taxpayers } from "./taxpayers.ts";

/** Who an invoice is titled to, as it says. */
export type Titled = { taxId: string; name: string };

export type Buyers = {
  /**
   * Resolves when the buyer is enrolled and known here. `issuer`: the account that asks. Throws
   * buyer-not-enrolled, name-not-enrolled, enrolment-limit, buyer-enrolling; fields are /taxId and
   * /name.
   */
  bring(buyer: Titled, issuer: string): Promise<void>;
};

/** How often it looks without a change. */
const LOOK_MS = 250;

const enrolling = (cause?: unknown) =>
  new Problem(
    "buyer-enrolling",
    "The buyer is being enrolled, and the chain does not have it yet; send the invoice again",
    { extra: { retryAfterSeconds: 2 }, cause },
  );
const refused =
  (code: "buyer-not-enrolled" | "name-not-enrolled", field: string, rule: string) =>
  (detail: string) =>
    new Problem(code, detail, { violations: [{ field, rule, detail }] });
const unknown = refused("buyer-not-enrolled", "/taxId", "buyer-enrolled");
const misnamed = refused("name-not-enrolled", "/name", "buyer-name");

/** Runs work for equal buyers once at a time. */
function shared(work: Buyers["bring"]): Buyers["bring"] {
  const running = new Map<string, Promise<void>>();
  return (buyer, issuer) => {
    const name = `${issuer} ${buyer.taxId} ${buyer.name}`;
    const done = running.get(name) ?? work(buyer, issuer).finally(() => running.delete(name));
    running.set(name, done);
    return done;
  };
}

/** Throws enrolment-limit. One transaction at a time counts for an issuer. */
async function checkAllowance(tx: Tx, issuer: string, perDay: number): Promise<void> {
  await tx`select 1 from parties where account = ${issuer} for no key update`;
  const [row] = await tx<{ count: number }[]>`
    select count(*)::int as count from buyer_enrolments
    where requested_by = ${issuer} and requested_at > now() - interval '1 day'`;
  if ((row?.count ?? 0) >= perDay)
    throw new Problem(
      "enrolment-limit",
      `The party has had ${row?.count} buyers enrolled within a day`,
      { extra: { maxEnrolments: perDay } },
    );
}

type Deps = {
  sql: Sql;
  changes: Pick<Changes, "wait">;
  taxpayers: Taxpayers;
  /** Enrolments that one party may cause in a day. */
  perDay: number;
  /** How long an invoice waits for its buyer. */
  patienceMs: number;
};
export type OwnBuyers = ReturnType<typeof createBuyers>;

/** At the bureau's gateway. `unlisted`: what becomes of a tax id that the directory lacks. */
export function createBuyers({
  sql,
  changes,
  taxpayers,
  perDay,
  patienceMs,
  directory,
  registration,
  bureau,
  unlisted,
}: Deps & {
  directory: Pick<Lookup, "find">;
  registration: Registration;
  /** The bureau's account. */
  bureau: string;
  unlisted: "enrol" | "refuse";
}) {
  async function nameOf(tx: Tx, { taxId, name }: Titled): Promise<string> {
    const listed = await directory.find(tx, taxId);
    if (listed) {
      if (sameName(listed.name, name)) return listed.name;
      throw misnamed(`“${name}” is written here; the directory has “${listed.name}”`);
    }
    if (unlisted === "enrol") return name;
    throw unknown("The buyer is not enrolled, and the bureau's directory does not have its tax id");
  }

  /**
   * The taxpayer with the buyer's tax id; without one, begins to enrol it. Throws the refusals of
   * Buyers except buyer-enrolling.
   */
  async function begin(tx: Tx, buyer: Titled, issuer: string): Promise<Taxpayer | "pending"> {
    const taxId = normaliseTaxId(buyer.taxId);
    // the second request sees the row of the first
    await tx`select pg_advisory_xact_lock(hashtextextended(${`buyer ${taxId}`}, 0))`;
    const known = await taxpayers.enrolmentOf(tx, taxId);
    if (known !== undefined) return known;
    const name = await nameOf(tx, { taxId, name: buyer.name });
    await checkAllowance(tx, issuer, perDay);
    const { account } = await registration.enrol(
      tx,
      { account: bureau },
      { name, taxId, capabilities: ["employer"], currency: "CNY", key: { custody: "gateway" } },
    );
    await tx`
      insert into buyer_enrolments (account, requested_by) values (${account}, ${issuer})`;
    return "pending";
  }

  return {
    begin,

    bring: shared(async (buyer, issuer) => {
      for (const end = performance.now() + patienceMs; performance.now() < end; ) {
        const change = changes.wait(LOOK_MS, "block", "outcome");
        if ((await sql.begin((tx) => begin(tx, buyer, issuer))) !== "pending") return;
        await change;
      }
      throw enrolling();
    }),

    /** Suspends the taxpayers that were enrolled for an invoice, once the chain has them. */
    async suspendNew(): Promise<void> {
      const fresh = (tx: Tx) => tx<RowOf<"buyer_enrolments", "account">[]>`
        select b.account from buyer_enrolments b
        cross join lateral (
          select 1 from taxpayer_now where account = b.account and standing = 'active' offset 0
        ) t
        where b.suspension is null and b.joined_at is null limit 100`;
      // most of the time there are none
      if ((await fresh(sql)).length === 0) return;
      await sql.begin(async (tx) => {
        const rows = await tx<
          RowOf<"buyer_enrolments", "account">[]
        >`${fresh(tx)} for update of b skip locked`;
        for (const { account } of rows) {
          const taxpayer = (await taxpayers.byAccount(tx, account)) as Taxpayer;
          const operation = await registration.setStanding(
            tx,
            { account: bureau },
            taxpayer,
            "suspended",
          );
          await tx`
            update buyer_enrolments set suspension = ${operation} where account = ${account}`;
        }
      });
    },
  };
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 2_000;
/** So long after a bureau's gateway that did not answer, further invoices do not wait for it. */
const REST_MS = 3_000;

/** At another gateway: the bureau's gateway enrols, and the chain proves its answer. */
export function createAskingBuyers({
  sql,
  changes,
  taxpayers,
  perDay,
  patienceMs,
  gateway,
  names,
}: Deps & { gateway: Pick<BureauGateway, "enrol">; names: Pick<Names, "isBureaus"> }): Buyers {
  let restingUntil = Number.NEGATIVE_INFINITY;

  async function identityOf(buyer: Titled, end: number) {
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      const answer = await gateway.enrol(buyer).catch((cause) => {
        if (cause instanceof Problem) throw cause;
        return cause as Error;
      });
      if (answer !== "pending" && !(answer instanceof Error)) return answer;
      if (performance.now() + pause > end) {
        if (answer instanceof Error) restingUntil = performance.now() + REST_MS;
        throw enrolling(answer);
      }
      await changes.wait(pause);
    }
  }

  return {
    bring: shared(async (buyer, issuer) => {
      if (performance.now() < restingUntil) throw enrolling();
      const end = performance.now() + patienceMs;
      await sql.begin((tx) => checkAllowance(tx, issuer, perDay));
      const { named, ...first } = await identityOf(buyer, end);
      // a name that the bureau did not sign is not believed
      const proven = named !== undefined && (await names.isBureaus(first.account, named));
      const identity = proven ? { ...first, named } : first;
      for (;;) {
        const change = changes.wait(LOOK_MS, "block");
        const adopted = await sql.begin(async (tx) => {
          // the registry's commitment proves it; the chain may be ahead of this gateway
          if (!(await taxpayers.adopt(tx, identity, "CNY"))) return false;
          // it is not this gateway that suspends it
          await tx`
            insert into buyer_enrolments (account, requested_by, joined_at)
            values (${identity.account}, ${issuer}, now()) on conflict do nothing`;
          return true;
        });
        if (adopted) return;
        if (performance.now() > end) throw enrolling();
        await change;
      }
    }),
  };
}
